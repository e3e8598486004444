/**
 * The supervisor's thread. It supervises one tree, for which it blocks in the kernel until the last task under the filter has
 * ended, or many (trees.ts). Records of events leave it as messages, of which a bounded number is in transit.
 */
import { release } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { instantiate, type PolicyInstance } from "../../backend/wasm/instance.ts";
import { native } from "../../machine/native.ts";
import { endOrder } from "../engine/thread.ts";
import type { SuperviseOrder, WorkerData, WorkerMessage, WorkerOrder } from "./orders.ts";
import { MessageSink } from "./records/message-sink.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorOptions } from "./supervisor-options.ts";
import { Trees } from "./trees.ts";
import { runAlone } from "./waits.ts";

const post = (message: WorkerMessage): void => parentPort!.postMessage(message);

/** The supervisor of a tree, whose messages go to the other thread. */
function supervisorOf(
  { tree, underWay, status: words, answers, policy: _, state: __, ...order }: SuperviseOrder,
  policy: SupervisorOptions["policy"],
  { instance, joined }: Pick<SupervisorOptions, "instance" | "joined">,
): { readonly supervisor: Supervisor; readonly sink: MessageSink } {
  const sink = new MessageSink(underWay, (record) => post({ kind: "record", tree, record }));
  const status: SupervisorOptions["status"] = words && {
    words,
    put: (snapshot) => post({ kind: "snapshot", tree, snapshot }),
  };
  const questions: SupervisorOptions["questions"] = answers && {
    words: answers,
    put: (question) => post({ kind: "question", tree, question }),
  };
  return {
    supervisor: new Supervisor(
      { ...order, policy, sink, instance, joined, isOneOfMany: many !== undefined, status, questions },
      release(),
    ),
    sink,
  };
}

function superviseOne(): void {
  let policy: SupervisorOptions["policy"] | undefined;
  let instance: PolicyInstance | undefined;
  parentPort!.on("message", (order: WorkerOrder) => {
    if (order === endOrder) return parentPort!.close();
    switch (order.kind) {
      case "policy":
        policy = order.policy;
        return;
      case "forget-state":
      case "suspend":
        return;
      case "prepare":
        instance = instantiate(order.step);
        return post({ kind: "ready" });
      case "supervise": {
        const { supervisor, sink } = supervisorOf(order, policy!, { instance });
        runAlone(supervisor.run());
        sink.finish();
        post({ kind: "finished", tree: order.tree, why: undefined });
        return parentPort!.close();
      }
    }
  });
}

const { addon, many } = workerData as WorkerData;
native(addon);
if (many === undefined) superviseOne();
else new Trees(many, parentPort!, { post, supervisorOf }).run();
