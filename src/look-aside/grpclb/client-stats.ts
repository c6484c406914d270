import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { ClientStatsSchema } from "../../../gen/grpc/lb/v1/load_balancer_pb.ts";
import type { Outcome } from "../../connection/connection.ts";

/** A report, as it is sent. */
export type ClientStatsInit = MessageInitShape<typeof ClientStatsSchema>;

/** Counts calls for the reports to a balancer. Each attempt is a call, as in the other implementations. */
export class ClientStats {
  #started = 0;
  #finished = 0;
  #failedToSend = 0;
  #knownReceived = 0;
  /** By token. */
  #drops = new Map<string, number>();
  /** Whether the last report counted nothing. */
  #quiet = false;
  #wanted = false;

  /** Whether the balancer wants reports from now on. What nobody wants is not counted: tokens would pile up. */
  wanted(yes: boolean): void {
    if (!yes || !this.#wanted) this.#reset();
    this.#wanted = yes;
  }

  /** A call goes to a server of the list. */
  started(): void {
    if (!this.#wanted) return;
    this.#started++;
  }

  /** It has ended. */
  finished({ end, headerMs }: Outcome): void {
    if (!this.#wanted) return;
    this.#finished++;
    if (end === "not-sent") this.#failedToSend++;
    else if (end === "answered" || headerMs !== undefined) this.#knownReceived++;
  }

  /** A call was dropped, at a turn with this token. */
  dropped(token: string): void {
    if (!this.#wanted) return;
    this.#started++;
    this.#finished++;
    this.#drops.set(token, (this.#drops.get(token) ?? 0) + 1);
  }

  /** What was counted since the last report; undefined if nothing was, and the last report said so. */
  take(): ClientStatsInit | undefined {
    const quiet = this.#started === 0 && this.#finished === 0;
    if (quiet && this.#quiet) return undefined;
    this.#quiet = quiet;
    const report: ClientStatsInit = {
      timestamp: timestampNow(),
      numCallsStarted: BigInt(this.#started),
      numCallsFinished: BigInt(this.#finished),
      numCallsFinishedWithClientFailedToSend: BigInt(this.#failedToSend),
      numCallsFinishedKnownReceived: BigInt(this.#knownReceived),
      callsFinishedWithDrop: [...this.#drops].map(([loadBalanceToken, calls]) => {
        return { loadBalanceToken, numCalls: BigInt(calls) };
      }),
    };
    this.#reset();
    return report;
  }

  #reset(): void {
    this.#started =
      this.#finished =
      this.#failedToSend =
      this.#knownReceived =
        0;
    this.#drops = new Map();
  }
}
