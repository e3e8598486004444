import { allow, calls, deny, policy } from "portcullis";

const opens = calls("open", "openat", "creat");

/** 20 patterns that can lie anywhere in a path, of which none matches the measured one: all of it is read. */
export default policy((call) => {
  if (!opens.has(call)) return allow;
  const { text } = call.args.path;
  const isSecret =
    text.matches(
      "**/id_{rsa,ecdsa,ed25519}",
      "**/ssh_host_*_key",
      "**/.{aws,gnupg,kube,docker}/**",
      "/home/*/.ssh/*",
    ) ||
    text.matches(
      "/proc/[0-9]*/{mem,environ}",
      "/run/user/*/keyring/*",
      "/etc/ssl/private/**",
      "/var/lib/*/secrets/**",
    ) ||
    text.endsWith(".pem", ".key", ".p12", ".crt", "/credentials", "/.netrc", "/.npmrc", "/.pypirc") ||
    text.under("/root", "/etc/shadow.d") ||
    text.is("/etc/shadow", "/etc/sudoers");
  return isSecret ? deny("EACCES") : allow;
});
