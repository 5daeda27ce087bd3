# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of drywall for bash: installed as /usr/share/bash-completion/completions/drywall. What is offered,
# `drywall --complete` says: verbs, options, and the names that drywalld knows.
_drywall() {
  local line=${COMP_LINE:0:COMP_POINT} words offered prefix
  # bash also cuts words at = and :, drywall does not.
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=("")
  COMPREPLY=()
  mapfile -t offered < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null | cut -f 1)
  case ${offered[0]-} in
    :files) mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}") ;;
    :directories) mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}") ;;
    *)
      # Only what stands behind the last = or : is to be replaced.
      prefix=${words[-1]%"${words[-1]##*[=:]}"}
      [[ $COMP_WORDBREAKS == *=* && $COMP_WORDBREAKS == *:* ]] || prefix=
      COMPREPLY=("${offered[@]#"$prefix"}")
      ;;
  esac
  [ "${#COMPREPLY[@]}" -ne 1 ] || [[ ${COMPREPLY[0]} != *, ]] || compopt -o nospace 2>/dev/null
}
complete -o filenames -F _drywall drywall
