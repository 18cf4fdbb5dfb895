# shellcheck shell=bash
# Sourced by tests/run: the ring lint. Each check is one case.
. tests/binary.sh

kSourceFolders="sys cgroups namespaces runtime packaging tests bench"
kMostLines=400
kMostBytes=$((4 * 1024 * 1024)) # of build/minirun

sources() {
  local folder
  for folder in $kSourceFolders; do
    [ ! -d "$folder" ] || find "$folder" -name '*.cc' -o -name '*.h'
  done | sort
}

# Files that people wrote, also new ones; not what is built.
written_files() {
  git ls-files -co --exclude-standard | while read -r file; do [ -f "$file" ] && echo "$file"; done
}

scripts() {
  written_files | while read -r file; do
    case $file in
      *.sh) echo "$file" ;;
      *) head -n 1 "$file" 2>/dev/null | grep -qaE '^#!/bin/(ba)?sh' && echo "$file" ;;
    esac
  done
}

lint_format() {
  sources | xargs clang-format --dry-run -Werror
}

# One file; what passed once passes again as long as neither it nor any header nor the rules changed.
lint_tidy_file() { # FILE RULES_KEY
  local stamp
  stamp=build/tidy/$(cat "$1" <(echo "$1 $2") | sha256sum | cut -c1-32)
  [ ! -e "$stamp" ] || return 0
  # The analyzer's depth: with the default of 225,000 nodes a function a run takes two and a half times as long.
  clang-tidy -p build/sanitize --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang \
    --extra-arg=max-nodes=25000 "$1" 2>/dev/null && touch "$stamp"
}
export -f lint_tidy_file

lint_tidy() {
  local key
  key=$( (cat .clang-tidy CMakeLists.txt; sources | grep '\.h$' | xargs cat; clang-tidy --version) | sha256sum)
  mkdir -p build/tidy
  sources | grep -E '^(sys|cgroups|namespaces|runtime|packaging)/.*\.cc$' |
    xargs -P 2 -I {} bash -c 'lint_tidy_file "$1" "$2"' tidy {} "$key"
}

lint_words() {
  # Each with its reason: what is here must stand alone, anywhere, and be finished.
  local found
  # The brackets keep this line from finding itself.
  found=$(written_files | xargs grep -nIE '\.\./share[d]|/wor[k]/|\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b[^X.]')
  [ -z "$found" ] || { echo "$found"; return 1; }
}

lint_lengths() {
  local long
  long=$(sources | xargs wc -l | awk -v most=$kMostLines '$2 != "total" && $1 > most { print $2 ": " $1 " lines, more than " most }')
  [ -z "$long" ] || { echo "$long"; return 1; }
}

# The init program calls nothing but the kernel.
lint_init() {
  local undefined
  undefined=$(nm -u build/minirun-init) || return 1
  [ -z "$undefined" ] || { echo "build/minirun-init calls: $undefined"; return 1; }
}

lint_binary() {
  local bytes
  cp build/minirun $results/stripped && strip $results/stripped || return 1
  bytes=$(stat -c %s $results/stripped)
  rm -f $results/stripped
  [ "$bytes" -le $kMostBytes ] || { echo "build/minirun: $bytes bytes stripped, more than $kMostBytes"; return 1; }
}

lint_scripts() {
  scripts | xargs shellcheck -S warning -x -e SC1090,SC1091,SC2034,SC2154 # files that source each other
}

# What docs/conformance.md names is there.
lint_conformance() {
  tests/conformance_check.sh
}

# Functions of this file as the command of `check`, which runs programs.
lint_check() { # NAME SECONDS
  check "lint-$1" "$2" bash -c ". .ci/install.sh; . tests/count.sh; . tests/lint.sh; set -o pipefail; lint_$1"
}

ring_lint() {
  build_sanitize
  build_release
  local name
  for name in format words lengths scripts conformance init binary hardening hardening_faults; do lint_check $name 60; done
  lint_check tidy 1500
}
