#!/bin/sh
# A plugin that keeps the environment and stdin of each call, then does what the test has prepared for the command.
stage='STAGE'
plugin=${0##*/}

# Calls are numbered in their order; a runtime makes one at a time.
number=100
while [ -n "$(find "$stage/calls" -name "$number-*")" ]; do number=$((number + 1)); done
call="$stage/calls/$number-$plugin-$CNI_COMMAND"
mkdir "$call"
env >"$call/env"
cat >"$call/stdin"

if [ -f "$stage/answers/$plugin-$CNI_COMMAND" ]; then
    . "$stage/answers/$plugin-$CNI_COMMAND"
    exit
fi
case $CNI_COMMAND in
ADD) echo '{}' ;;
VERSION)
    echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
    ;;
esac
