import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { emit } from "../src/listener.ts";
import type { RegistryEvent } from "../src/registry/event.ts";

describe("events", () => {
  it("print the reason, and keep the error to be read", () => {
    const cause = new Error("etcd is away");
    const told: RegistryEvent[] = [];
    emit((event: RegistryEvent) => void told.push(event), { type: "set-stale", service: "simple_grpc", cause });
    const [event] = told;
    assert.equal(event?.type === "set-stale" && event.cause, cause);
    assert.equal(
      inspect(event).replaceAll(/\s+/g, " ").replaceAll('"', "'").replace(", }", " }"),
      "{ type: 'set-stale', service: 'simple_grpc', reason: 'etcd is away' }",
    );
  });

  it("print what a listener throws, and go on", (t) => {
    const print = t.mock.method(console, "error", () => {});
    emit((_: { type: string; cause?: Error }) => {
      throw new Error("mine");
    }, { type: "x" });
    assert.equal(print.mock.callCount(), 1);
  });
});
