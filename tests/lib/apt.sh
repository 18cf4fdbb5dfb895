# shellcheck shell=bash
# Sourced by scripts that fetch Debian packages without installing them.
#
#   . tests/lib/apt.sh
#   debian_mirror                    prints the archive that this machine's apt uses; status 1 with nothing when it uses none
#   apt_in FOLDER "SOURCES LINE"     sets apt_options to options that make apt keep lists and cache of its own below FOLDER
#                                    and read that one line (the keyring is added)
#
# SPDX-License-Identifier: Apache-2.0

# The archive itself, not its security or third-party neighbours: the target of this machine's own suite.
debian_mirror() {
  local codename uri
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
  # shellcheck disable=SC2016 # apt's own placeholders
  uri=$(apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(REPO_URI)' |
    awk -v release="$codename" '$1 == "Packages" && $2 == release && !found { print $3; found = 1 }')
  [ -n "$uri" ] && echo "$uri"
}

# The lists of a mirror that is a snapshot are older than their date allows.
apt_in() { # FOLDER LINE
  local folder=$1 type rest
  read -r type rest <<<"$2"
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" || return
  echo "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $rest" >"$folder/sources.list" || return
  apt_options=(-q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" -o Acquire::Languages=none
    -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root -o Acquire::http::Timeout=60)
}
