import { type ArgumentList, allow, deny, parameter, policy } from "portcullis";
import isolated from "portcullis/policies/shared/isolated.ts";
import steadyPaths from "portcullis/policies/shared/steady-paths.ts";

const programs = parameter.paths("programs", { default: ["/usr/bin/git"] });
// git acts as another program with another argv[0]: `git-rm` with the argument "status" removes a file of this name.
const names = parameter.texts("names", { default: ["git", "/usr/bin/git"] });
const commands = parameter.texts("commands", { default: ["log", "diff", "status"] });
// git starts one on a terminal, without arguments. Debian's git starts `pager`, a link to less.
const pagers = parameter.paths("pagers", { default: ["/usr/bin/less", "/usr/bin/pager"] });

// Options of git before its command. Others, such as -c and --exec-path, make it start other programs.
const switches = ["--no-pager", "-P", "--no-optional-locks"] as const;

// They load other code into the program.
const loading = ["LD_*=**", "GCONV_PATH=**", "OPENSSL_CONF=**"] as const;
// git starts another program because of many of its variables, and new ones come with its versions. So all are refused but
// GIT_AUTHOR_*, GIT_COMMITTER_*, GIT_SSL_*, GIT_TERMINAL_PROMPT, and GIT_PAGER with some values.
const starting = [
  "GIT_[!ACPST]**",
  "GIT_A[!U]**",
  "GIT_C[!O]**",
  "GIT_CO[!M]**",
  "GIT_COM[!M]**",
  "GIT_COMM[!I]**",
  "GIT_P[!A]**",
  "GIT_S[!S]**",
  "GIT_SS[!L]**",
  "GIT_T[!E]**",
  "GIT_TE[!R]**",
] as const;

/** `git log`, `git -C DIR log`, `git --no-pager log`, and both options in any order. */
function isCommand(argv: ArgumentList): boolean {
  // To another program they may mean something else.
  const isGit = argv.at(0n).is("git") || argv.at(0n).endsWith("/git");
  if (isGit && argv.at(1n).is(...switches)) {
    return argv.at(2n).is(...commands) || (argv.at(2n).is("-C") && argv.at(4n).is(...commands));
  }
  if (isGit && argv.at(1n).is("-C")) {
    return argv.at(3n).is(...commands) || (argv.at(3n).is(...switches) && argv.at(4n).is(...commands));
  }
  return argv.at(1n).is(...commands);
}

/**
 * The command can start only the given programs, under one of the given names (argv[0]) and with one of the given words as
 * the first argument: git log, git diff, git status. git's options -C DIR, --no-pager, -P and --no-optional-locks can stand
 * before it. The command itself can be any program. The rule also holds for the started programs: they can start a pager
 * without arguments (less; `--set pagers=…`), and no hook, editor or helper. Variables by which the dynamic linker loads
 * other code, or by which git starts another program, are refused.
 *
 * The command must not be able to write to the programs, because it could replace /usr/bin/git. A listed script starts its
 * interpreter, without another execve. The command can load code into its own process without execve, and the policy does
 * not restrict the effects of the listed commands (`git diff --output=FILE` writes a file). It does not prevent requests to
 * services that start programs (systemd, cron, docker).
 */
export default policy({ extends: [isolated, steadyPaths] }, (call) => {
  if (call.name === "execveat") return deny("EACCES", "starts a file by its descriptor");
  if (call.name !== "execve") return allow;
  const { path, argv, envp } = call.args;
  if (envp.some(...loading)) return deny("EACCES", "a variable that loads other code into the program");
  // git sets variables of its own for its pager.
  if (path.text.is(...pagers) && argv.length === 1n && argv.at(0n).is(...pagers, "less", "pager")) return allow;
  if (!path.text.is(...programs)) return deny("EACCES", "not among the programs of this policy");
  if (!argv.at(0n).is(...names)) return deny("EACCES", "under a name that makes it another program");
  if (!isCommand(argv)) return deny("EACCES", "not among the commands of this policy");
  if (envp.some(...starting)) return deny("EACCES", "a variable that makes the program run another one");
  // Of a variable that is given twice, git reads one. The pager that it then starts has to pass this policy.
  if (envp.has("GIT_PAGER") && !envp.includes("GIT_PAGER=", "GIT_PAGER=cat", "GIT_PAGER=less", "GIT_PAGER=pager")) {
    return deny("EACCES", "a variable that names another pager than less");
  }
  if (envp.has("PAGER") && !envp.includes("PAGER=", "PAGER=cat", "PAGER=less", "PAGER=pager")) {
    return deny("EACCES", "a variable that names another pager than less");
  }
  return allow;
});
