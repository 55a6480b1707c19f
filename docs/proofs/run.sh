#!/usr/bin/env bash
# Checks the models exhaustively, then shows for each protection that without it a check fails. Needs spin and a C
# compiler (apt-get install spin gcc), about 1 GB of memory and some minutes.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
model=$here/two-step-append.pml
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
    *"opened<="* | *"logged<="*) broken=limit ;;
    *"!(isEnded)"*) broken=ended ;;
    *"held=="* | *"used=="*) broken=settled ;;
    *"opened<"*) broken="it is used up" ;;
    # Of the model of intents. There, 5 is `no` and 3 is `yes`.
    *"isThere==wanted"*) broken=agrees ;;
    *"(confirmed!=5)"*) broken=gone ;;
    *"(confirmed!=3)"*) broken=there ;;
    *"todo=="*"wanted"*) broken=asked ;;
    *"sent>=3"*) broken="the key is there again, and the log says so" ;;
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

model=$here/held-uses.pml
echo
echo "Uses of a key to several doors"
verify holds "three openings of a key with two uses"
verify holds "three openings of a key with one use" -DUSES=1
echo
echo "The model can do its work: that the key is never used up is refuted"
verify fails "all uses are opened with" -DCAN_BE_USED_UP
echo
echo "Without one of its protections"
verify fails "what is held does not count" -DNO_HELD_COUNT
verify fails "a use is prepared whatever is held meanwhile" -DNO_HELD
verify fails "a use is prepared whatever was counted meanwhile" -DNO_VERSION
verify fails "the same, of a key with more uses than openings" -DNO_VERSION -DUSES=4
verify fails "what is held is written as it was read, whatever it is by then" -DNO_COMPARE
verify fails "a use is let go of before it is counted" -DAPART

model=$here/intents.pml
echo
echo "What is wanted, and what is on the hardware"
verify holds "a key that is added, removed and added again; a device that fails once"
verify holds "two servers that send" -DTWO
verify holds "a thing of which nobody knows what is on it" -DUSED
verify holds "a device that says twice whether it holds the key" -DLISTS=2
verify holds "the same, of a thing of which nobody knows what is on it" -DLISTS=1 -DUSED
verify holds "four changes, and a device that fails twice" -DCHANGES=4 -DFAILURES=2
echo
echo "The model can do its work: that the key is there again is refuted"
verify fails "the key is removed, and added again" -DCAN_BE_DONE
echo
echo "Without one of its protections"
verify fails "what is sent was decided on an older state" -DNO_VERSION
verify fails "an addition counts as nothing until the lock confirms it" -DNO_UNKNOWN
verify fails "a removal leaves the shadow before the lock has answered it" -DNO_STAYING
verify fails "the device runs commands in any order" -DNO_SEQ
verify fails "the device looks at older documents" -DNO_NEWEST
verify fails "what the lock says of older commands counts too" -DNO_ORDER
verify fails "a list of keys counts whenever it was made" -DLISTS=1 -DNO_AFTER
verify fails "a removal that failed counts as one that was done" -DNO_FAILURE
exit $failed
