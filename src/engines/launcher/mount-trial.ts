/** Tries what the trees of policies with `files.protect` and `files.private` need of the kernel. */
import { errnoText, LauncherFault, launcherStage, tryMounts } from "./launcher.ts";

export type MountTrial =
  /** `kernelCounts`: the kernel limits the processes of such a tree. */
  | { readonly kernelCounts: boolean }
  /** Why this user can make no mounts. */
  | { readonly obstacle: string };

/** Throws a StartError if the launcher fails. */
export function mountTrial(): MountTrial {
  try {
    return { kernelCounts: tryMounts() };
  } catch (error) {
    return { obstacle: obstacleOf(error, launcherStage.enterMounts) };
  }
}

/** Why a stage of the launcher has failed. Throws all other errors. */
export function obstacleOf(error: unknown, stage: number): string {
  if (!(error instanceof LauncherFault) || error.stage !== stage) throw error;
  const code = errnoText(error.errno);
  return error.text === "" ? code : `${error.text}, ${code}`;
}

/**
 * Whether the kernel may limit the processes of this user's trees. It exempts root, and the launcher refuses to start a tree that
 * it does not limit (native/launcher/process_limit.h).
 */
export const mayKernelCount = (): boolean => process.getuid?.() !== 0 && process.geteuid?.() !== 0;
