import type { Transport } from "@connectrpc/connect";
import type { ConnectivityState } from "../connectivity.ts";
import { BackgroundCalls } from "./background-calls.ts";
import type { Link } from "./link.ts";

/** A connection's link, which another may replace, and what depends on it alone. */
export abstract class LinkedConnection {
  #link: Link;
  #background: BackgroundCalls | undefined;
  /** How many attempts have reserved room but not begun yet: those of calls that waited in line. */
  promised = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The error code of the GOAWAY with which its server ends the link, while that is reported. */
  goaway: string | undefined;

  abstract get state(): ConnectivityState;
  /** The link was lost, with the cause if there is one, or is draining. */
  abstract linkEnded(cause: Error | undefined): void;

  /** The link takes no new calls: its server sent this GOAWAY, or none. */
  linkDrains(goaway: string | undefined): void {
    this.goaway = goaway;
    this.linkEnded(undefined);
    this.goaway = undefined;
  }

  get link(): Link {
    return this.#link;
  }

  /** Whether attempts are gRPC calls, according to its link. */
  get grpc(): boolean {
    return this.#link.protocol === "grpc";
  }

  /** Connect's transport to the endpoint. */
  get transport(): Transport {
    return this.#link.transport;
  }

  /**
   * For calls of policies and health checks to its server alone, which are not attempts: they do not keep the process
   * alive, and end when it is no longer ready. Undefined unless it is ready.
   */
  get background(): Transport | undefined {
    if (this.state !== "ready") return undefined;
    return this.#link.background ?? (this.#background ??= new BackgroundCalls(this.#link.transport));
  }

  /** Whether its server allows no more calls for now. */
  protected get linkFull(): boolean {
    const { room } = this.#link;
    return room !== undefined && room <= this.promised;
  }

  /** Lets another link take the place of the one that it has, and returns that. */
  protected replaceLink(link: Link): Link {
    const old = this.#link;
    this.#link = link;
    this.endBackground();
    this.#background = undefined;
    return old;
  }

  protected endBackground(): void {
    this.#background?.end();
  }
}
