# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of drywall for fish: installed as /usr/share/fish/vendor_completions.d/drywall.fish. What is offered,
# `drywall --complete` says: verbs, options, and the names that drywalld knows.
function __drywall_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l offered ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
    switch "$offered[1]"
        case :files
            __fish_complete_path "$current"
        case :directories
            __fish_complete_directories "$current"
        case '*'
            printf '%s\n' $offered
    end
end
complete -c drywall -f -a '(__drywall_complete)'
