#!/usr/bin/env bash
# Checks the model exhaustively, then shows for each protection that without it a check fails. Needs spin and a C
# compiler (apt-get install spin gcc), about 1 GB of memory and some minutes.
set -euo pipefail
cd "$(dirname "$0")"
model=$PWD/two-step-append.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

command -v spin >/dev/null || { echo "spin is not installed: apt-get install spin" >&2; exit 1; }

failed=0
# Verifies the model with these options; what it prints is the sentence, the verdict, and the states that were visited.
verify() {
  local wanted=$1 sentence=$2; shift 2
  spin -a "$@" "$model" >/dev/null
  cc -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c
  ./pan -m1000000 >pan.out
  local states broken verdict
  states=$(awk '/states, stored/ { print $1 }' pan.out)
  broken=$(sed -n 's/^pan:1: //p' pan.out)
  case "$broken" in
    "") ;;
    # Spin prints what an assertion says; this is what it is for. In the model, 4 is `discarded`.
    *"phase["*"!=4"* | *"!(accepted"*) broken=complete ;;
    *"violated accepted["*) broken=honest ;;
    *"logged["*"<=1"* | *"done["*"<=1"*) broken=once ;;
    *"!(expired"*) broken="in time" ;;
    *"reports["*"==0"*) broken=settled ;;
    *"done[0]==1"*) broken="both are done, and their outcomes are in the log" ;;
  esac
  if [ -n "$broken" ]; then verdict="fails: $broken"
  elif grep -qE 'Search not completed|max search depth too small|out of memory' pan.out; then verdict="not finished"
  else verdict="holds"; fi
  printf '%-72s %10s states  %s\n' "$sentence" "$states" "$verdict"
  case "$wanted $verdict" in "holds holds" | "fails fails:"*) ;; *) failed=1; echo "  expected: $wanted" ;; esac
}

echo "The two-step append"
verify holds "one command, two servers that sweep, a device that says all twice" -DSWEEPS
verify holds "a request that is sent again to another server" -DRETRIED -DREPORTS=1
verify holds "a command that is prepared again once it was discarded" -DAGAIN -DREPORTS=1 -DONE_TRY
verify holds "two requests" -DOTHERS -DREPORTS=1 -DONE_TRY
echo
echo "The model can do its work: that two commands are never done is refuted"
verify fails "two requests are carried out" -DOTHERS -DREPORTS=1 -DONE_TRY -DCAN_BE_DONE
echo
echo "Without one of its protections"
verify fails "nobody fences before a discard" -DNO_FENCE
verify fails "a server sends after the deadline" -DNO_DEADLINE
verify fails "writes to the shadow are unconditional" -DNO_VERSION
verify fails "a stream takes a second command while one is unsettled" -DOTHERS -DREPORTS=1 -DONE_TRY -DNO_RESERVATION
verify fails "a settlement names no attempt" -DAGAIN -DREPORTS=1 -DONE_TRY -DNO_ATTEMPT
verify fails "a request that is sent again has no receipt" -DRETRIED -DREPORTS=1 -DNO_RECEIPT
verify fails "what another device says of a command counts" -DNO_THING
verify fails "reports clear the shadow before they are in the log" -DNO_ORDER
verify fails "the device does not look at the expiry" -DNO_EXPIRY
verify fails "the device forgets what it has seen" -DNO_MEMORY
exit $failed
