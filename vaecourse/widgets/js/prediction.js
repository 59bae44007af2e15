// A question with choices: choose, commit, and see what you committed to. Python keeps the answer.
import { make, write } from "./elements.js";

const LETTERS = "abcdefgh";
let groups = 0; // radio buttons of one question share a name, and no two questions do

export function render({ model, el }) {
  const abort = new AbortController();
  const name = `vc-prediction-${groups++}`;
  const choices = model.get("choices").map((choice, i) => {
    const input = make("input", { type: "radio", name, value: i });
    return { input, label: make("label", {}, input, make("span", {}, `${LETTERS[i]})  ${choice}`)) };
  });
  const commit = make("button", { type: "button", disabled: true }, "Commit");
  const note = make("p", { class: "vc-note", role: "status", tabindex: -1 });
  const box = make(
    "fieldset",
    { class: "vc vc-prediction" },
    make("legend", { class: "vc-title" }, `Predict first: ${model.get("question")}`),
    ...choices.map(({ label }) => label),
    commit,
    note,
  );

  const update = () => {
    const committed = model.get("committed");
    if (committed === null) return;
    for (const [i, { input }] of choices.entries()) {
      input.checked = i === committed;
      input.disabled = true;
    }
    const had = document.activeElement === commit;
    commit.hidden = true;
    write(note, `You committed to ${LETTERS[committed]}. The lesson will come back to it.`);
    if (had) note.focus();
  };
  // Else JupyterLab takes the arrow keys, and a letter makes a new cell.
  box.addEventListener("keydown", (event) => event.stopPropagation(), { signal: abort.signal });
  box.addEventListener("change", () => { commit.disabled = false; }, { signal: abort.signal });
  commit.addEventListener("click", () => {
    model.set("chosen", choices.findIndex(({ input }) => input.checked));
    model.save_changes();
  }, { signal: abort.signal });
  model.on("change:committed", update);
  update();
  el.append(box);
  return () => {
    abort.abort();
    model.off("change:committed", update);
  };
}

export default { render };
