/** Completion scripts for three shells, from the verbs' tables of options. */
import { readyPolicies } from "../policy/arguments.ts";
import { type Completion, commonOptions, type OptionSpecification, type Verb, type VerbPage } from "../verb.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, verbs: readonly VerbPage[]): string {
  switch (shell) {
    case "bash":
      return bash(verbs);
    case "zsh":
      return zsh(verbs);
    case "fish":
      return fish(verbs);
  }
}

function optionsOf(verb: Verb): [string, OptionSpecification][] {
  return Object.entries({ ...verb.options, ...commonOptions });
}

function bash(verbs: readonly VerbPage[]): string {
  const cases = verbs.map((verb) => {
    const options = optionsOf(verb);
    const words = options.flatMap(([name, { short }]) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]);
    const values = options
      .filter(([, { value }]) => value !== undefined)
      .map(([name, { short, complete }]) => {
        const pattern = short === undefined ? `--${name}` : `--${name}|-${short}`;
        return `        ${pattern}) ${bashReply(complete)}; return;;`;
      });
    const command = verb.takesCommand === true ? "_command_offset" : undefined;
    return `    ${verb.name})
${command === undefined ? "" : bashCommand(options)}      case $before in
${values.join("\n")}${values.length > 0 ? "\n" : ""}      esac
      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '${words.join(" ")}' -- "$word")); else ${bashReply(verb.complete)}; fi;;`;
  });
  return `# bash completion for portcullis
_portcullis_parameters() {
  local line=("\${COMP_WORDS[@]:1:COMP_CWORD-1}" x "\${COMP_WORDS[@]:COMP_CWORD+1}") prefix=\${parameter:+$parameter=} names
  line=("\${line[@]//[\\\\\\"\\']/}")
  line=("\${line[@]/#\\~\\//$HOME/}")
  mapfile -t names < <(command "\${COMP_WORDS[0]}" completion parameters -- "\${line[@]}" 2>/dev/null | cut -f 1)
  mapfile -t COMPREPLY < <(compgen -W "\${names[*]}" -- "$prefix$word")
  COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  # Only a flag has values to choose from; the value of another parameter can be a path.
  if [[ $prefix && ! \${COMPREPLY[*]} ]]; then mapfile -t COMPREPLY < <(compgen -f -- "$word")
  else compopt +o filenames -o nospace 2>/dev/null
  fi
}
_portcullis() {
  local word=\${COMP_WORDS[COMP_CWORD]} at=$((COMP_CWORD - 1)) before parameter= split= index skip
  COMPREPLY=()
  # --option=value is three words, as = is in COMP_WORDBREAKS.
  if [[ $word == = ]]; then word= split=1
  elif [[ \${COMP_WORDS[at]} == = ]]; then at=$((at - 1)) split=1
  fi
  before=\${COMP_WORDS[at]}
  if [[ $split && $at -gt 1 ]]; then
    # So is the name=value of --set name=value, and --set=name=value is five.
    index=$((at - 1))
    [[ \${COMP_WORDS[index]} != = ]] || index=$((index - 1))
    case \${COMP_WORDS[index]} in --set|-s) parameter=$before before=--set;; esac
  fi
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W '${verbs.map((verb) => verb.name).join(" ")} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
}
complete -o filenames -F _portcullis portcullis
`;
}

function bashReply(complete: Completion | undefined): string {
  if (complete === undefined) return "COMPREPLY=()";
  if (complete === "parameter") return "_portcullis_parameters";
  // One line each: names of files may have spaces.
  const reply = (what: string) => `mapfile -t COMPREPLY < <(compgen ${what} -- "$word")`;
  if (complete === "file") return reply("-f");
  if (complete === "directory") return reply("-d");
  if (complete === "policy") return reply(`-f -W '${readyPolicies.join(" ")}'`);
  return reply(`-W '${complete.join(" ")}'`);
}

/** After the first word that is not an option, or after --, use the command's own completion. */
function bashCommand(options: readonly [string, OptionSpecification][]): string {
  const valued = options.flatMap(([name, { short, value }]) =>
    value === undefined ? [] : [`--${name}`, ...(short === undefined ? [] : [`-${short}`])],
  );
  const skipsValue =
    valued.length === 0
      ? ""
      : `
          ${valued.join("|")}) skip=1; [[ \${COMP_WORDS[index+1]} != = ]] || index=$((index + 1));;`;
  return `      skip=0
      for ((index = 2; index < COMP_CWORD; index++)); do
        if ((skip)); then skip=0; continue; fi
        case \${COMP_WORDS[index]} in
          --) index=$((index + 1)); break;;${skipsValue}
          =) skip=1;;
          -*) ;;
          *) break;;
        esac
      done
      if ((index <= COMP_CWORD && !skip)) && [[ $index -lt $COMP_CWORD || \${COMP_WORDS[index-1]} == -- ]]; then
        if declare -F _comp_command_offset > /dev/null; then _comp_command_offset $index
        elif declare -F _command_offset > /dev/null; then _command_offset $index
        else COMPREPLY=($(compgen -c -f -- "$word")); fi
        return
      fi
`;
}

function zsh(verbs: readonly VerbPage[]): string {
  const quoted = (text: string) =>
    text.replaceAll("'", "'\\''").replaceAll("[", "\\[").replaceAll("]", "\\]").replaceAll(":", "\\:");
  const listed = verbs.map((verb) => `    '${verb.name}:${quoted(verb.summary)}'`).join("\n");
  const cases = verbs.map((verb) => {
    const specs = optionsOf(verb).flatMap(([name, { short, value, about, multiple, complete }]) => {
      const action = value === undefined ? "" : `:${value}:${zshAction(complete)}`;
      const star = multiple === true ? "*" : "";
      const sign = value === undefined ? "" : "=";
      const long = `'${star}--${name}${sign}[${quoted(about)}]${action}'`;
      return short === undefined
        ? [long]
        : [`'${star}-${short}${value === undefined ? "" : "+"}[${quoted(about)}]${action}'`, long];
    });
    const rest = verb.takesCommand === true ? "'*::command:_normal'" : `'*:word:${zshAction(verb.complete)}'`;
    return `    ${verb.name}) _arguments -s ${[...specs, rest].join(" \\\n        ")};;`;
  });
  return `#compdef portcullis
# zsh completion for portcullis
_portcullis_policies() {
  _alternative 'policies:ready policy:(${readyPolicies.join(" ")})' 'files:file:_files'
}
_portcullis_parameters() {
  local -a names
  names=(\${(f)"$(command $line_words[1] completion parameters -- $line_words[2,-1] 2>/dev/null | cut -f 1)"})
  # Only a flag has values to choose from; the value of another parameter can be a path.
  names=(\${names:#$PREFIX})
  compadd -S '' -- $names && return
  compset -P '*=' && _files
}
_portcullis() {
  # The words of the line, without quotes. x stands for the present word.
  local -a verbs line_words=("\${(@Q)words[1,CURRENT-1]}" x "\${(@Q)words[CURRENT+1,-1]}")
  verbs=(
${listed}
  )
  if ((CURRENT == 2)); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  ((CURRENT--))
  case $verb in
${cases.join("\n")}
  esac
}
if [[ $funcstack[1] == _portcullis ]]; then _portcullis "$@"; else compdef _portcullis portcullis; fi
`;
}

function zshAction(complete: Completion | undefined): string {
  if (complete === undefined) return " ";
  if (complete === "file") return "_files";
  if (complete === "directory") return "_files -/";
  if (complete === "policy") return "_portcullis_policies";
  if (complete === "parameter") return "_portcullis_parameters";
  return `(${complete.join(" ")})`;
}

function fish(verbs: readonly VerbPage[]): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = [
    "# fish completion for portcullis",
    "function __portcullis_parameters",
    "    set -l line (commandline -opc)",
    "    command $line[1] completion parameters -- $line[2..] x 2>/dev/null",
    "end",
    "complete -c portcullis -f",
  ];
  const none = `"not __fish_seen_subcommand_from ${verbs.map((verb) => verb.name).join(" ")}"`;
  for (const verb of verbs) lines.push(`complete -c portcullis -n ${none} -a ${verb.name} -d ${quoted(verb.summary)}`);
  for (const verb of verbs) {
    const within = `"__fish_seen_subcommand_from ${verb.name}"`;
    for (const [name, { short, value, about, complete }] of optionsOf(verb)) {
      const parts = ["complete", "-c", "portcullis", "-n", within, "-l", name];
      if (short !== undefined) parts.push("-s", short);
      if (value !== undefined) parts.push("-r");
      parts.push(...fishArguments(complete));
      lines.push([...parts, "-d", quoted(about)].join(" "));
    }
    if (verb.takesCommand === true) {
      lines.push(`complete -c portcullis -n ${within} -a '(__fish_complete_subcommand --fcs-skip=2)'`);
    } else if (verb.complete !== undefined) {
      lines.push(["complete", "-c", "portcullis", "-n", within, ...fishArguments(verb.complete)].join(" "));
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishArguments(complete: Completion | undefined): string[] {
  if (complete === undefined) return [];
  if (complete === "file" || complete === "directory") return ["-F"];
  if (complete === "parameter") return ["-a", "'(__portcullis_parameters)'"];
  if (complete === "policy") return ["-F", "-a", `'${readyPolicies.join(" ")}'`];
  return ["-a", `'${complete.join(" ")}'`];
}
