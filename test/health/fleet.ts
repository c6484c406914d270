import { Code } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection, Health, Outcome } from "../../src/connection/connection.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import type { HealthWatch } from "../../src/health/health.ts";
import { Ejected } from "../../src/health/ejected.ts";
import type { EjectOutliersOptions } from "../../src/health/outlier-options.ts";
import { ejectOutliers } from "../../src/health/outliers.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** One endpoint, and what the check says about it. */
export interface Member {
  readonly connection: Connection & { endpoint: Endpoint };
  ready: boolean;
  successes: number;
  health: Health;
  /** How many more calls it may begin. */
  allowed: number;
}

/** A fleet of so many ready endpoints, whose calls a test makes up, in front of `ejectOutliers`. */
export class Fleet {
  readonly clock: ManualClock = new ManualClock();
  readonly members: Member[] = [];
  readonly watch: HealthWatch;
  panic = false;
  /** Which endpoints should have been ejected and were not, and by which rule. */
  readonly unenforced: string[] = [];
  /** How often a panic, or its end, was declared. */
  declared = 0;

  constructor(size: number, options: EjectOutliersOptions = {}, { panics = true }: { panics?: boolean } = {}) {
    const find = (connection: Connection) => this.members.find((member) => member.connection === connection)!;
    this.watch = ejectOutliers(options)({
      now: () => this.clock.now(),
      random: () => 0,
      timer: (delayMs, callback) => this.clock.timer(delayMs, callback),
      report(connection, health) {
        const member = find(connection);
        if (member.ready) member.health = health;
      },
      allow(connection, attempts) {
        const member = find(connection);
        if (!member.ready) return;
        member.allowed = attempts === Infinity
          ? Infinity
          : attempts + (member.allowed === Infinity ? 0 : member.allowed);
      },
      unenforced: (connection, rule) => void this.unenforced.push(`${connection.endpoint.address} ${rule}`),
      successes: (connection) =>
        connection === undefined
          ? this.members.reduce((sum, { successes }) => sum + successes, 0)
          : find(connection).successes,
      panic: (on) => {
        this.panic = on && panics;
        this.declared++;
        return panics;
      },
    });
    for (let i = 0; i < size; i++) this.add({ address: `${i}:1` });
  }

  /** Another endpoint is ready. */
  add(endpoint: Endpoint): Member {
    const connection = { endpoint, state: "ready", available: true, inFlight: 0, failure: undefined, connect() {} };
    const member: Member = {
      connection: connection as Member["connection"],
      ready: true,
      successes: 0,
      health: "serving",
      allowed: Infinity,
    };
    this.members.push(member);
    this.watch.ready?.(member.connection, undefined as never);
    return member;
  }

  /** The connection is lost. */
  lose(i: number): void {
    const member = this.members[i]!;
    member.ready = false;
    this.watch.ended?.(member.connection);
    // As the host does.
    member.health = "serving";
    member.allowed = Infinity;
  }

  /** It is ready again. */
  regain(i: number): void {
    const member = this.members[i]!;
    member.ready = true;
    this.watch.ready?.(member.connection, undefined as never);
  }

  /** `count` calls to an endpoint end like this, after 10 ms each; the clock stands still. */
  calls(i: number, count: number, outcome: Partial<Outcome> = {}): void {
    const whole: Outcome = {
      method: Simple.method.route,
      timeoutMs: 1_000,
      end: "answered",
      code: undefined,
      abandoned: false,
      latencyMs: 0,
      headerMs: 10,
      trailer: new Headers(),
      ...outcome,
    };
    for (let n = 0; n < count; n++) {
      const member = this.members[i]!;
      if (member.allowed < Infinity) member.allowed--;
      if (whole.code === undefined) member.successes++;
      this.watch.outcome?.(member.connection, whole);
    }
  }

  /** `count` calls succeed that the check does not hear of. */
  unheard(i: number, count: number): void {
    this.members[i]!.successes += count;
  }

  /** Calls that an endpoint answers with Unavailable. */
  failures(i: number, count: number, outcome: Partial<Outcome> = {}): void {
    this.calls(i, count, { code: Code.Unavailable, ...outcome });
  }

  /** The numbers of those that are ejected. */
  get ejected(): number[] {
    return this.members.flatMap(({ health }, i) => (health instanceof Ejected ? [i] : []));
  }
}
