#!/bin/sh
# In the image, before JupyterLab: the container learns who its user is. Settings come from values.yaml.
set -eu

# nbgrader asks the system for the name that belongs to the user id, and no account has one of ours.
passwd=${VAECOURSE_PASSWD:-/etc/passwd}
if ! cut -d: -f3 "$passwd" | grep -qx "$(id -u)"; then
    echo "$JUPYTERHUB_USER:x:$(id -u):$(id -g)::$HOME:/bin/bash" >> "$passwd"
fi

role=student
[ "$JUPYTERHUB_USER" = "$VAECOURSE_TEACHER" ] && role=teacher
export JUPYTER_CONFIG_PATH="/srv/vaecourse/$role:/srv/vaecourse"

# Some storage drivers open a volume to the group of every pod that mounts it. Then students could read each other.
if [ "$role" = student ] && ls "$VAECOURSE_INBOUND" > /dev/null 2>&1; then
    echo "Students can list $VAECOURSE_INBOUND: the exchange's volume does not keep its modes. See the README of the hub." >&2
    exit 1
fi

umask 022
exec "$@"
