#compdef drywall
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of drywall for zsh: installed as _drywall in a directory of $fpath. What is offered, `drywall --complete`
# says: verbs, options, and the names that drywalld knows.
_drywall() {
  local -a lines offered
  local line
  lines=("${(@f)$(_call_program drywall ${(q)words[1]} --complete ${(q)words[2,CURRENT]} 2>/dev/null)}")
  case ${lines[1]} in
    :files) _files && return ;;
    :directories) _files -/ && return ;;
  esac
  for line in $lines; do
    [[ -n $line ]] && offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  _describe -V drywall offered
}
_drywall "$@"
