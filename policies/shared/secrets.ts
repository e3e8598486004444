import { parameter } from "portcullis";

/** The names by which programs open credentials. `--set secrets=…` replaces the list in every policy that reads it. */
export const secrets = parameter.texts("secrets", {
  default: [
    "**/id_{rsa,dsa,ecdsa,ecdsa_sk,ed25519,ed25519_sk}",
    "**/ssh_host_*_key",
    "**/.{npmrc,netrc,git-credentials,pypirc}",
    "**/.{aws,azure,gnupg,kube,docker}/**",
    "**/gcloud/**",
    // The directories themselves: the names of files that are opened relative to them do not match.
    "**/.{aws,azure,gnupg,kube,docker}",
    "**/gcloud",
    // The memory and the variables of other programs.
    "/proc/[0-9]*/{mem,environ}",
    "**/{credentials,application_default_credentials.json}",
  ],
});
