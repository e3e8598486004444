/** The events of all trees, each line with the container that it is of, in one bounded queue to one destination. */
import { type Destination, openChannel } from "../events/channel.ts";
import type { Origin } from "../events/event.ts";
import {
  type EventOutput,
  type EventOutputOptions,
  eventLines,
  openLineSink,
  type SinkLosses,
} from "../events/output.ts";
import type { PolicyDescription } from "../events/record.ts";
import type { LineSink, Loss } from "../events/sink.ts";

/** Milliseconds to wait for a slow reader at the end. */
const patience = 500;

export class AgentEvents {
  readonly #form: EventOutputOptions["form"];
  readonly #sink: LineSink;

  /** @throws DestinationError */
  constructor(destination: Destination, form: EventOutputOptions["form"], losses: SinkLosses) {
    this.#form = form;
    this.#sink = openLineSink(openChannel(destination), { form, ...losses });
  }

  /** The output of one tree. Its end leaves the destination open. */
  of(policy: PolicyDescription, origin: Origin): EventOutput {
    const lines = {
      write: (line: string) => this.#sink.write(line),
      finish: () => Promise.resolve({ lines: 0, fault: undefined }),
    };
    return eventLines(lines, { policy, origin, form: this.#form });
  }

  finish(): Promise<Loss> {
    return this.#sink.finish(patience);
  }
}
