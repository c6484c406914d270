import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection, Outcome } from "../../connection/connection.ts";
import { connectAll } from "../../policy/circle.ts";
import { DecoratingPicker } from "../../policy/decorating-picker.ts";
import { drop } from "../../policy/drop.ts";
import {
  type CallInfo,
  type Picker,
  type PickResult,
  type Policy,
  type PolicyEnvironment,
  unavailable,
} from "../../policy/policy.ts";
import { roundRobin } from "../../policy/round-robin.ts";
import type { ClientStats } from "./client-stats.ts";
import { listOf, type ServerList } from "./server-list.ts";

/** What the policy knows from the stream, and tells it. */
export interface GrpclbShared {
  /** The list in use; undefined: none yet, or other addresses are used. */
  readonly list: ServerList | undefined;
  readonly stats: ClientStats;
  /** Whether a server of a transport can be called; undefined: the transport is closed. */
  reachable(transport: PolicyEnvironment, any: boolean | undefined): void;
}

/**
 * The policy of grpclb: each call takes the next turn of the balancer's list. If it is one at which calls are dropped,
 * the call fails; otherwise it goes to the next server of the list that is available, with the server's token. Without a
 * list, calls go to all servers in turn.
 */
export function grpclbPolicy(shared: GrpclbShared): Policy {
  const otherwise = roundRobin();
  return (connections, previous, env) => {
    const list = listIn(connections, shared);
    const before = previous instanceof GrpclbPicker ? previous.inner : previous;
    shared.reachable(env, connections.some(({ available }) => available));
    if (list === undefined) return new GrpclbPicker(otherwise(connections, before, env), shared, env);
    connectAll(connections);
    const last = before instanceof ListPicker && before.list === list ? before : undefined;
    return new GrpclbPicker(new ListPicker(list, connections, shared.stats, last, env), shared, env);
  };
}

/**
 * The list that the connections are from, which is the one in use or, until the pool has its servers, the one before.
 * Connections that are left after an empty list keep theirs, unless it says that calls are dropped.
 */
function listIn(connections: readonly Connection[], { list }: GrpclbShared): ServerList | undefined {
  if (connections.length === 0 || (list?.endpoints.length === 0 && list.drops)) return list;
  return listOf(connections[0]!.endpoint);
}

/** Tells the stream when its transport is closed. */
class GrpclbPicker extends DecoratingPicker {
  readonly #shared: GrpclbShared;
  readonly #env: PolicyEnvironment;

  constructor(inner: Picker, shared: GrpclbShared, env: PolicyEnvironment) {
    super(inner);
    this.#shared = shared;
    this.#env = env;
  }

  pick(call: CallInfo): Connection | PickResult | "wait" | Error {
    return this.inner.pick(call);
  }

  override close(): void {
    this.#shared.reachable(this.#env, undefined);
    super.close();
  }
}

/** Chooses by one list. */
class ListPicker implements Picker {
  readonly list: ServerList;
  readonly #stats: ClientStats;
  /** The list's servers, in its order. */
  readonly #servers: readonly PickResult[];
  readonly #otherwise: "wait" | Error;
  /** The next turn, and the next server. */
  #turn: number;
  #next: number;

  constructor(
    list: ServerList,
    connections: readonly Connection[],
    stats: ClientStats,
    last: ListPicker | undefined,
    env: PolicyEnvironment,
  ) {
    this.list = list;
    this.#stats = stats;
    const byAddress = new Map(connections.map((connection) => [connection.endpoint.address, connection]));
    this.#servers = list.entries.flatMap(({ address, token }) => {
      const connection = address === undefined ? undefined : byAddress.get(address);
      if (connection === undefined) return [];
      return { connection, ...token !== "" && { header: { "lb-token": token } } };
    });
    this.#otherwise = unavailable(connections);
    this.#turn = last === undefined ? 0 : last.#turn;
    // Many clients must not start with the same server.
    this.#next = last === undefined ? Math.floor(env.random() * this.#servers.length) : last.#next;
  }

  pick(call: CallInfo): PickResult | "wait" | Error {
    // A call that waits takes no turn: it would be dropped more often than the balancer says.
    const at = this.#available(call);
    if (at === undefined && this.#servers.length > 0) return this.#otherwise;
    if (this.list.drops) {
      const { entries } = this.list, { address, token } = entries[this.#turn]!;
      this.#turn = (this.#turn + 1) % entries.length;
      if (address === undefined) return this.#dropped(token);
    }
    if (at === undefined) return this.#otherwise;
    this.#next = (at + 1) % this.#servers.length;
    this.#stats.started();
    return this.#servers[at]!;
  }

  /** Which is the next server that can be called. */
  #available(call: CallInfo): number | undefined {
    const servers = this.#servers;
    for (let tried = 0; tried < servers.length; tried++) {
      const at = (this.#next + tried) % servers.length, { connection } = servers[at]!;
      if (connection.available && !call.excluded(connection)) return at;
    }
    return undefined;
  }

  #dropped(token: string): Error {
    this.#stats.dropped(token);
    return drop(new ConnectError("the look-aside balancer drops this call", Code.Unavailable));
  }

  done(_: Connection, outcome: Outcome): void {
    this.#stats.finished(outcome);
  }
}
