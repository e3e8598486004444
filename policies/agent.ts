import { type AbsolutePath, allow, ask, calls, deny, parameter, policy } from "portcullis";
import { makesNamespace } from "portcullis/policies/shared/namespaces.ts";

const project = parameter.path("project", { default: "/work" });
/** The user's home directory. With the default, all home directories are empty for the agent, and it has no toolchains of one. */
const home = parameter.path("home", { default: "/home" });
/** Below the project. A name that ends with a slash is a directory, which is made if it is missing. */
const guarded = parameter.texts("protect", {
  default: [
    // Git executes hooks, and commands that its configuration names.
    ".git/hooks/",
    ".git/config",
    ".git/config.worktree",
    ".git/info/attributes",
    ".git/modules",
    // Shells, package managers, editors and agents read these on their own.
    ".envrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pnpmfile.cjs",
    ".husky",
    ".vscode/",
    ".idea/",
    ".claude/",
    ".codex/",
    ".cursor/",
    ".gemini/",
    ".mcp.json",
  ],
});
const readable = parameter.paths("read", { default: [] });
const writable = parameter.paths("write", { default: [] });
const processes = parameter.integer("process-limit", { default: 2048n, from: 0n, to: 100_000n });
/** In MiB; 0: half of the memory, the kernel's limit. */
const scratchSize = parameter.integer("scratch-size", { default: 0n, from: 0n, to: 1_048_576n });
const asked = parameter.texts("ask", { default: [] });

/** Of the user's home directory, what programs need: none of these has a credential. */
const toolchains = [
  ".gitconfig",
  ".config/git/config",
  ".config/git/ignore",
  ".local/bin",
  ".nvm",
  ".volta/bin",
  ".volta/tools",
  ".local/share/fnm",
  ".local/share/mise",
  ".pyenv",
  ".local/share/uv/python",
  ".rustup",
  ".cargo/bin",
  ".cargo/env",
  "go/bin",
  ".sdkman/candidates",
  ".bun/bin",
  ".deno/bin",
  ".bashrc",
  ".profile",
  ".bash_profile",
  ".zshrc",
  ".zshenv",
].map((name): AbsolutePath => `${home}/${name}`);

/** Empty for the agent, and its own. */
const scratch: readonly AbsolutePath[] = [home, "/tmp", "/var/tmp", "/dev/shm"];

const never = calls(
  "@mount",
  "@module",
  "@raw-io",
  "@reboot",
  "@swap",
  "@clock",
  "@keyring",
  "bpf",
  "setns",
  "unshare",
  "userfaultfd",
  "perf_event_open",
  "fanotify_init",
  "open_by_handle_at",
  "name_to_handle_at",
);

/**
 * For a coding agent and the programs that it starts: it reads the system and the project, and writes the project.
 *
 * - The home directory, /tmp, /var/tmp, /run and /dev/shm are its own and empty, but for toolchains, the settings of shells and
 *   git, and what `read` and `write` name. So no credential of the user exists for it, and no socket of docker, D-Bus, systemd,
 *   X11, Wayland or an ssh-agent; `--set read=$SSH_AUTH_SOCK` gives it that one.
 * - In the project it cannot change the files of `protect`, which programs outside execute or trust.
 * - It reaches no host but those of `run --hosts`, and has at most `process-limit` processes at once (0: any number). Where the kernel
 *   counts them, threads count, too. Its own directories hold at most `scratch-size` MiB each.
 * - The execution of a program whose path matches `ask` is a question (`portcullis approvals`).
 *
 * Where the user cannot create user and mount namespaces, the directories are out of reach instead of empty, and names protect
 * the files. What differs, and what is left, is in docs/agents.md.
 */
export default policy(
  {
    files: {
      read: [
        "/etc",
        "/opt",
        "/var/lib",
        "/var/cache",
        "/sys",
        project,
        ...scratch,
        ...toolchains,
        ...readable,
        ...writable,
      ],
      write: [project, ...scratch, ...writable],
      private: [...scratch, "/run"],
      protect: guarded.map((name): AbsolutePath => `${project}/${name}`),
      runtime: true,
      optional: ["/opt", "/sys", "/var/lib", "/var/cache", "/run", ...scratch, ...toolchains],
    },
    hosts: [],
    scope: ["signal", "abstract-socket"],
    limits: { processes, privateSize: scratchSize * 1_048_576n },
  },
  (call) => {
    if (never.has(call)) return deny("EPERM", "no agent mounts, loads modules or changes the system");
    switch (call.name) {
      case "execve":
      case "execveat":
        return asked.some((pattern) => call.args.path.text.matches(pattern))
          ? ask("the agent executes a program of --set ask=…")
          : allow;
      case "clone":
        return makesNamespace(call) ? deny("EPERM", "no agent makes a namespace") : allow;
      case "clone3":
        return deny("ENOSYS", "its flags lie behind a pointer; glibc falls back to clone");
      case "ioctl":
        return call.args.cmd.is("TIOCSTI", "TIOCLINUX", "TIOCSETD", "TIOCCONS")
          ? deny("EPERM", "types into the terminal")
          : allow;
    }
    return allow;
  },
);
