import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Context, SpanKind, SpanStatusCode } from "../../../src/observe/otel/api.ts";
import { type KeptSpan, spanIn, traced } from "./traced.ts";

const UNAVAILABLE = new ConnectError("busy", Code.Unavailable);
const RESOLVED = ["Delayed name resolution complete"], PICKED = ["Delayed LB pick complete"];

describe("a traced call", () => {
  it("tells the metrics of the same call all that it hears", () => {
    const heard: unknown[] = [];
    const hear = (what: string) => (value: unknown) => void heard.push([what, value]);
    const { call, begin, end, over } = traced({
      measured: {
        waiting: hear("waiting"),
        attemptStarted: hear("attemptStarted"),
        attemptEnded: hear("attemptEnded"),
        ended: hear("ended"),
      },
    });
    call.waiting("connection");
    const started = begin(1), ended = end(started, "answered"), all = over();
    assert.deepEqual(heard, [
      ["waiting", "connection"],
      ["attemptStarted", started],
      ["attemptEnded", ended],
      ["ended", all],
    ]);
  });

  it("is traced as well if its metrics hear of nothing, and if there are none", () => {
    for (const measured of [{}, undefined]) {
      const { call, spans, begin, end, over } = traced({ ...measured && { measured } });
      call.waiting("connection");
      end(begin(1), "answered");
      over();
      assert.deepEqual(spans.map(({ name, ends }) => [name, ends]), [["Sent.a.B.C", 1], ["Attempt.a.B.C", 1]]);
    }
  });

  it("has spans of the client's kind; its context is what was active, with the call's span", () => {
    const values = new Map<symbol, unknown>([[Symbol.for("baggage"), "b"]]);
    const active: Context = {
      getValue: (key) => values.get(key),
      setValue: (key, value) => ({ ...active, getValue: (k) => k === key ? value : values.get(k) }),
      deleteValue: () => active,
    };
    const { spans, parents, header, begin } = traced({ context: active });
    const attempt = begin(1);
    assert.deepEqual(spans.map(({ kind }) => kind), [SpanKind.CLIENT, SpanKind.CLIENT]);
    assert.equal(parents[0], active);
    assert.equal(spanIn(parents[1]!), spans[0]);
    assert.equal(parents[1]!.getValue(Symbol.for("baggage")), "b");
    // The attempt's span travels, not the call's.
    assert.equal(header.get("span"), null);
    assert.equal(attempt.header.get("span"), "1");
  });

  it("sends its own context where attempts have no spans: if it is not sampled, and in OpenTelemetry's form", () => {
    for (const how of [{ recording: false }, { conventions: "otel" }] as const) {
      const { spans, header, begin, end, over } = traced(how);
      const attempt = begin(1);
      end(attempt, "answered");
      over();
      assert.equal(spans.length, 1);
      assert.equal(header.get("span"), "0");
      assert.equal(attempt.header.get("span"), null);
      assert.equal(spans[0]!.ends, 1);
    }
  });

  it("says once that it had waited for name resolution, when that is over", () => {
    const { call, spans, begin, end } = traced();
    call.waiting("resolution");
    assert.deepEqual(spans[0]!.events, []);
    call.waiting("connection");
    assert.deepEqual(spans[0]!.events, [RESOLVED]);
    end(begin(1), "refused", UNAVAILABLE);
    begin(2);
    assert.deepEqual(spans[0]!.events, [RESOLVED]);
  });

  it("had waited for name resolution alone if its attempt follows that", () => {
    const { call, spans, begin } = traced();
    call.waiting("resolution");
    begin(1);
    assert.deepEqual(spans.map(({ events }) => events), [[RESOLVED], []]);
  });

  it("says of the attempt that follows that it had waited for a connection or for room", () => {
    for (const why of ["connection", "room"] as const) {
      const { call, spans, begin, end } = traced();
      call.waiting(why);
      end(begin(1), "refused", UNAVAILABLE);
      begin(2);
      assert.deepEqual(spans.map(({ events }) => events), [[], [PICKED], []], why);
    }
  });

  it("says so itself where attempts have no spans", () => {
    const { call, spans, begin } = traced({ conventions: "otel" });
    call.waiting("connection");
    begin(1);
    assert.deepEqual(spans.map(({ events }) => events), [[PICKED]]);
  });

  it("has no delay to tell of if it never waited, or only for a retry", () => {
    const { call, spans, begin, end } = traced();
    end(begin(1), "refused", UNAVAILABLE);
    call.waiting("backoff");
    begin(2);
    assert.deepEqual(spans.map(({ events }) => events), [[], [], []]);
  });

  it("numbers the messages of each attempt from 0, each way, also while several are in flight", () => {
    const { call, spans, begin } = traced();
    const first = begin(1), second = begin(2, { hedge: true });
    const sizes = { bytes: 5, uncompressedBytes: 5 };
    for (const attempt of [first, first, second]) call.messageSent({ attempt, ...sizes });
    for (const attempt of [second, first, second, second]) call.messageReceived({ attempt, ...sizes });
    const numbers = ({ events }: KeptSpan, way: string) =>
      events.filter(([name]) => name === `${way} message`).map(([, of]) => of!["sequence-number"]);
    assert.deepEqual(spans.map((span) => [numbers(span, "Outbound"), numbers(span, "Inbound")]), [
      [[], []],
      [[0, 1], [0]],
      [[0], [0, 1, 2]],
    ]);
  });

  it("tells both sizes of a message that is compressed, and of none whose attempt is over or has no span", () => {
    const { call, spans, begin, end } = traced();
    const attempt = begin(1);
    call.messageSent({ attempt, bytes: 5, uncompressedBytes: 50 });
    call.messageReceived({ attempt, bytes: 7, uncompressedBytes: 7 });
    end(attempt, "answered");
    call.messageSent({ attempt, bytes: 1, uncompressedBytes: 1 });
    call.messageReceived({ attempt, bytes: 1, uncompressedBytes: 1 });
    assert.deepEqual(spans.map(({ events }) => events), [[], [
      ["Outbound message", { "sequence-number": 0, "message-size": 50, "message-size-compressed": 5 }],
      ["Inbound message", { "sequence-number": 0, "message-size": 7 }],
    ]]);
    const other = traced({ conventions: "otel" });
    other.call.messageSent({ attempt: other.begin(1), bytes: 1, uncompressedBytes: 1 });
    assert.deepEqual(other.spans.map(({ events }) => events), [[]]);
  });

  /** What the attempts' spans say of those before: how many, and whether each is a transparent retry. */
  const repeats = ([, ...attempts]: readonly KeptSpan[]) =>
    attempts.map(({ attributes }) => [attributes["previous-rpc-attempts"], attributes["transparent-retry"]]);

  it("counts the attempts before each one that a server may have processed", () => {
    const { spans, begin, end } = traced();
    for (const [index, how] of (["answered", "maybe-processed", "answered"] as const).entries()) {
      end(begin(index + 1), how, UNAVAILABLE);
    }
    begin(4);
    assert.deepEqual(repeats(spans), [[0, false], [1, false], [2, false], [3, false]]);
  });

  it("retries transparently after an attempt that no server processed, which doesn't count", () => {
    for (const how of ["not-sent", "refused"] as const) {
      const { spans, begin, end } = traced();
      end(begin(1), how, UNAVAILABLE);
      end(begin(2), "answered", UNAVAILABLE);
      end(begin(3), how, UNAVAILABLE);
      end(begin(4), how, UNAVAILABLE);
      begin(5);
      assert.deepEqual(repeats(spans), [[0, false], [0, true], [1, false], [1, true], [1, true]], how);
    }
  });

  it("has hedges, which are no transparent retries, also after one that was refused", () => {
    const { spans, begin, end } = traced();
    begin(1);
    end(begin(2, { hedge: true }), "refused", UNAVAILABLE);
    begin(3, { hedge: true });
    assert.deepEqual(repeats(spans), [[0, false], [1, false], [1, false]]);
  });

  it("counts an attempt that found no room, and is made again by the same number, once", () => {
    const { spans, begin, end } = traced();
    end(begin(1), "not-sent", UNAVAILABLE);
    end(begin(1), "not-sent", UNAVAILABLE);
    end(begin(1), "answered", UNAVAILABLE);
    begin(2);
    assert.deepEqual(repeats(spans), [[0, false], [0, false], [0, false], [1, false]]);
  });

  it("counts a hedge that found no room, and is made again while a later one is in flight, once", () => {
    const { spans, begin, end } = traced();
    begin(1);
    const hedge = begin(2, { hedge: true });
    begin(3, { hedge: true });
    end(hedge, "not-sent", UNAVAILABLE);
    begin(2, { hedge: true });
    begin(4, { hedge: true });
    assert.deepEqual(repeats(spans), [[0, false], [1, false], [2, false], [1, false], [3, false]]);
  });

  it("has the endpoint that was tried last; none if no attempt was made", () => {
    const tried = traced();
    tried.end(tried.begin(1, { address: "10.0.0.1:80" }), "refused", UNAVAILABLE);
    tried.end(tried.begin(2, { address: "10.0.0.2:81" }), "answered");
    tried.over();
    const peer = { "network.peer.address": "10.0.0.2", "network.peer.port": 81 };
    assert.deepEqual(tried.spans[0]!.attributes, peer);
    assert.equal(tried.spans[1]!.attributes["network.peer.address"], "10.0.0.1");
    const failed = traced();
    failed.over(UNAVAILABLE);
    assert.deepEqual(failed.spans[0]!.attributes, {});
  });

  it("ends each span once, with its own status", () => {
    const { spans, begin, end, over } = traced();
    const first = begin(1);
    end(first, "refused", UNAVAILABLE);
    end(first, "refused", UNAVAILABLE);
    end(begin(2), "answered");
    over(new ConnectError("", Code.Aborted));
    assert.deepEqual(spans.map(({ ends }) => ends), [1, 1, 1]);
    assert.deepEqual(spans.map(({ statuses }) => statuses), [
      [{ code: SpanStatusCode.ERROR, message: "ABORTED" }],
      [{ code: SpanStatusCode.ERROR, message: "UNAVAILABLE, busy" }],
      [{ code: SpanStatusCode.OK }],
    ]);
  });

  it("has an error's type at both spans, if both conventions are asked for, and a status alone without its text", () => {
    const { call, spans, begin, end } = traced({ conventions: "both" });
    end(begin(1), "refused", UNAVAILABLE);
    end(begin(2), "answered");
    call.ended({ code: Code.Canceled, error: undefined, latencyMs: 1, attempts: 2 });
    assert.deepEqual(
      spans.map(({ attributes, statuses }) => [attributes["error.type"], statuses[0]?.message]),
      [["CANCELLED", "CANCELLED"], ["UNAVAILABLE", "UNAVAILABLE, busy"], [undefined, undefined]],
    );
  });

  it("ends in OpenTelemetry's form without a status if it succeeds, and with the error's text if that has one", () => {
    const [succeeded, failed, silent] = [undefined, UNAVAILABLE, new ConnectError("", Code.Aborted)].map((error) => {
      const { spans, over } = traced({ conventions: "otel" });
      over(error);
      return spans[0]!;
    });
    const shown = ({ attributes, statuses }: KeptSpan) => [
      attributes["rpc.status_code"],
      attributes["error.type"],
      statuses,
    ];
    assert.deepEqual(shown(succeeded!), ["OK", undefined, []]);
    const { ERROR: code } = SpanStatusCode;
    assert.deepEqual(shown(failed!), ["UNAVAILABLE", "UNAVAILABLE", [{ code, message: "busy" }]]);
    assert.deepEqual(shown(silent!), ["ABORTED", "ABORTED", [{ code }]]);
  });

  it("has OpenTelemetry's attributes if they are asked for, and none of them otherwise", () => {
    const otel = { "rpc.system.name": "grpc", "rpc.method": "a.B/C", "server.address": "t" };
    for (const [conventions, attributes] of [["grpc", {}], ["otel", otel], ["both", otel]] as const) {
      assert.deepEqual(traced({ conventions }).spans[0]!.attributes, attributes, conventions);
    }
  });

  it("names a method that is not told apart as each convention does", () => {
    const names = (["grpc", "otel", "both"] as const).map((conventions) => {
      const [span] = traced({ conventions, name: "other" }).spans;
      return [span!.name, span!.attributes["rpc.method"]];
    });
    assert.deepEqual(names, [["Sent.other", undefined], ["grpc", "_OTHER"], ["Sent.other", "_OTHER"]]);
  });
});
