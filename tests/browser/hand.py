"""A hand with a pointer, and an eye for what is cut off: shared by the tests of the widgets."""


def centre(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(opened, locator, dx: float, dy: float, steps: int = 12) -> None:
    """Take the element at its middle and carry it by so many pixels."""
    x, y = centre(locator)
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + dx, y + dy, steps=steps)
    opened.page.mouse.up()


def press(opened, *names: str, index: int = 0) -> None:
    """Click the buttons with these `data-action`s, in turn."""
    for name in names:
        opened.view(index).locator(f"[data-action={name}]").click()


def read(opened, key: str, index: int = 0) -> str:
    return opened.view(index).locator(f"[data-readout={key}]").inner_text()


def cut_off(opened, elements: str) -> list[str]:
    """The elements (a CSS selector) that stick out of their widget, or whose own content does not fit."""
    return opened.view().evaluate(
        """(view, elements) => { const root = view.querySelector(".vc"), edge = root.getBoundingClientRect();
        return [...root.querySelectorAll(elements)].filter(e => {
          const r = e.getBoundingClientRect();
          return r.width && (r.right > edge.right + 1 || r.left < edge.left - 1 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth);
        }).map(e => e.outerHTML.slice(0, 90)); }""",
        elements,
    )
