import type { RegistryEvent } from "../../../src/registry/event.ts";
import type { RegistrationState } from "../../../src/registry/registry.ts";

/** The drivers under the etcd registry. */
export type Driver = "connect" | "etcd3" | "gateway";

/** What the program is to do. */
export interface Config {
  readonly driver: Driver;
  readonly endpoints: readonly string[];
  readonly service: string;
  /** What it registers. Undefined: it only watches. */
  readonly address?: string;
  readonly ttlSeconds: number;
  readonly user?: { readonly username: string; readonly password: string };
  /** Begin with the first endpoint, not with any. */
  readonly fromFirst?: boolean;
}

/** A line that the program prints. `atMs` is on the scale of `Date.now()`, which processes share. */
export type Message =
  | { readonly atMs: number; readonly kind: "started" }
  | {
    readonly atMs: number;
    readonly kind: "event";
    readonly type: RegistryEvent["type"];
    readonly cause: string | undefined;
    readonly key: string | undefined;
  }
  | {
    readonly atMs: number;
    readonly kind: "state";
    readonly state: RegistrationState;
    readonly cause: string | undefined;
  }
  | {
    readonly atMs: number;
    readonly kind: "set";
    /** Undefined: nothing is known. */
    readonly count: number | undefined;
    readonly stale: boolean;
    /** Sorted; left out of large sets. */
    readonly addresses: readonly string[] | undefined;
  }
  | {
    readonly atMs: number;
    readonly kind: "whole";
    readonly addresses: readonly string[] | undefined;
  }
  | { readonly atMs: number; readonly kind: "unhandled"; readonly text: string }
  | { readonly atMs: number; readonly kind: "closed" };
