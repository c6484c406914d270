import { type Command, defineCommand } from "../command.ts";
import { EXIT, usageError } from "../exit.ts";

/**
 * A script of each shell. They pass the words up to the cursor to `connect-lb complete`, which prints a candidate per
 * line, with what it means after a tab. Where it prints none, the shells offer files.
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `\
_connect_lb() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(connect-lb complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _connect_lb connect-lb
`,
  zsh: `\
#compdef connect-lb
_connect_lb() {
  local line
  local -a candidates
  for line in "\${(@f)$(connect-lb complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#candidates} )); then
    _describe connect-lb candidates
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _connect-lb ]]; then
  _connect_lb "$@"
else
  compdef _connect_lb connect-lb
fi
`,
  fish: `\
function __connect_lb_complete
  set --local candidates (connect-lb complete -- (commandline --cut-at-cursor --tokenize --current-process)[2..] (commandline --current-token) 2>/dev/null)
  if test (count $candidates) -gt 0
    printf '%s\\n' $candidates
  else
    __fish_complete_path (commandline --current-token)
  end
end
complete --command connect-lb --no-files --arguments '(__connect_lb_complete)'
`,
};

/** The shells that there are scripts for. */
const SHELLS = ["bash", "zsh", "fish"] as const;

/** `connect-lb completion`: scripts with which shells complete commands, options and services. */
export const completion: Command = defineCommand({
  name: "completion",
  summary: "print a script with which your shell completes connect-lb",
  examples: [
    { line: "completion bash > ~/.local/share/bash-completion/completions/connect-lb", does: "for bash, from now on" },
    { line: "completion zsh > ~/.zfunc/_connect-lb", does: "for zsh, with ~/.zfunc in fpath" },
    { line: "completion fish > ~/.config/fish/completions/connect-lb.fish", does: "for fish" },
  ],
  description: ["The scripts ask connect-lb itself, which must be on the PATH: npm install --global connect-lb."],
  args: [{ name: "SHELL", complete: SHELLS }],
  options: {},
  run({ args: [shell = ""], io }) {
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    if (script === undefined) {
      throw usageError(`there is no script for ${JSON.stringify(shell)}`, `for ${SHELLS.join(", ")}`);
    }
    io.stdout.write(script);
    return Promise.resolve(EXIT.ok);
  },
});
