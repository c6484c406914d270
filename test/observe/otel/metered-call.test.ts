import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { UnaryEndListener } from "../../../src/connection/end-reporting.ts";
import { balance, type BalancedTransportOptions, fixedHedging } from "../../../src/index.ts";
import { drop } from "../../../src/policy/drop.ts";
import { markAttempt } from "../../../src/connection/mark.ts";
import { note } from "../../../src/connection/note.ts";
import type { Endpoint } from "../../../src/endpoint.ts";
import { telemetry } from "../../../src/otel.ts";
import { type Balanced, balanced, failureOf } from "../../support/balanced.ts";
import type { FakeLink } from "../../support/fake-links.ts";
import { type HeldAttempt, heldLinks } from "../../support/held-links.ts";
import { settled } from "../../support/manual-clock.ts";

/** A transport whose attempts the test answers, and the metrics of its calls. */
interface Observed extends Balanced {
  readonly sent: HeldAttempt[];
}

/** Held links that report messages: 5 bytes sent, and 7 received with an answer. */
function reporting(): { sent: HeldAttempt[]; transport: (endpoint: Endpoint) => Transport } {
  const { sent, transport } = heldLinks();
  return {
    sent,
    transport(endpoint) {
      const inner = transport(endpoint);
      const unaryReporting = async (...args: [...Parameters<Transport["unary"]>, UnaryEndListener<unknown>]) => {
        const [method, signal, timeoutMs, header, input, contextValues, listener] = args;
        listener.messageSent?.(5, 50);
        try {
          const answer = await inner.unary(method, signal, timeoutMs, header, input, contextValues);
          listener.messageReceived?.(7, 70);
          listener.answered(answer);
          return answer;
        } catch (error) {
          return await listener.failed(error);
        }
      };
      return { ...inner, unaryReporting } as Transport;
    },
  };
}

interface Scenario {
  readonly options?: Partial<BalancedTransportOptions>;
  /** Whether links report messages; they do unless told otherwise. */
  readonly silent?: true;
  readonly run: (observed: Observed) => Promise<void>;
}

/** What was recorded of the calls: by a transport's only observer, or beside another. */
async function measured({ options, silent, run }: Scenario, alone: boolean): Promise<Record<string, unknown>> {
  const t = telemetry({ experimental: true, conventions: "both" }), { metricProducer } = t;
  const { sent, transport } = silent ? heldLinks() : reporting();
  const all = balanced({
    observers: alone ? [t.client] : [t.client, { callStarted() {} }],
    ejectOutliers: false,
    random: () => 0.5,
    ...options,
    links: { transport },
  });
  await all.ready();
  await run({ ...all, sent });
  await settled();
  const [scope] = (await metricProducer.collect()).resourceMetrics.scopeMetrics;
  const { started, succeeded, failed, abandoned } = all.transport.snapshot().calls;
  await all.transport.close();
  const shown = scope!.metrics.filter(({ descriptor: { name } }) => !/connect_lb|subchannel/.test(name))
    .map(({ descriptor: { name }, dataPoints }) => {
      const points = dataPoints.map(({ attributes, value }) => [attributes, value]);
      return [name, points.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))] as const;
    });
  return { ...Object.fromEntries(shown), calls: { started, succeeded, failed, abandoned } };
}

const refused = (end: "not-sent" | "refused") => markAttempt(new ConnectError("away", Code.Unavailable), end);

const scenarios: Readonly<Record<string, Scenario>> = {
  "a call that is answered": {
    async run({ client, clock, sent }) {
      const call = client.route({});
      await clock.advance(70);
      sent[0]!.answer();
      await call;
    },
  },
  "a call that is answered over a link that reports no messages": {
    silent: true,
    async run({ client, clock, sent }) {
      const call = client.route({}, { timeoutMs: 1_000 });
      await clock.advance(70);
      sent[0]!.answer();
      await call;
    },
  },
  "a call in flight": {
    async run({ client, clock, transport }) {
      void failureOf(client.route({}));
      await clock.advance(70);
      assert.equal(transport.snapshot().calls.started, 1);
    },
  },
  "a call that fails": {
    options: { retry: false },
    async run({ client, clock, sent }) {
      const call = failureOf(client.route({}));
      await clock.advance(70);
      sent[0]!.fail(new ConnectError("no", Code.NotFound));
      await call;
    },
  },
  "a call whose first attempts are refused": {
    async run({ client, clock, sent }) {
      const call = client.route({});
      await clock.advance(10);
      sent[0]!.fail(refused("refused"));
      await clock.advance(10);
      sent[1]!.fail(refused("not-sent"));
      await clock.advance(10);
      sent[2]!.answer();
      await call;
    },
  },
  "a call that is retried after a pause": {
    async run({ client, clock, sent }) {
      const call = client.route({});
      await clock.advance(10);
      sent[0]!.fail(markAttempt(new ConnectError("busy", Code.Unavailable), "answered"));
      await clock.advance(1_000);
      sent[1]!.answer();
      await call;
    },
  },
  "a call whose link turns out to be full": {
    async run({ client, clock, sent }) {
      const call = client.route({});
      await clock.advance(10);
      sent[0]!.fail(note(refused("not-sent"), "full"));
      await clock.advance(1_000);
      sent[1]!.answer();
      await call;
    },
  },
  "a call that is aborted": {
    async run({ client, clock }) {
      const abort = new AbortController(), call = failureOf(client.route({}, { signal: abort.signal }));
      await clock.advance(10);
      abort.abort();
      await call;
    },
  },
  "calls that never begin": {
    async run({ client }) {
      await failureOf(client.route({}, { signal: AbortSignal.abort() }));
      await failureOf(client.route({}, { timeoutMs: 0 }));
    },
  },
  "a call that waits for room": {
    async run({ client, clock, links, sent }) {
      const all: FakeLink[] = [...links.values()];
      for (const link of all) link.room = 0;
      const call = client.route({});
      await clock.advance(100);
      for (const link of all) {
        link.room = 1;
        link.events.room!();
      }
      await clock.advance(20);
      sent[0]!.answer();
      await call;
    },
  },
  "a call that the throttle refuses": {
    options: { throttle: () => ({ refuses: () => "too many", ended() {} }) },
    run: async ({ client }) => void await failureOf(client.route({})),
  },
  "a call that the policy drops": {
    options: {
      policy(connections) {
        for (const connection of connections) connection.connect();
        return { pick: () => drop(new Error("overload")) };
      },
    },
    run: async ({ client }) => void await failureOf(client.route({})),
  },
  "a call with headers that are invalid": {
    async run({ client, sent }) {
      const call = failureOf(client.route({}, { headers: [["bad name", "x"]] }));
      await settled();
      sent[0]!.answer();
      await call;
    },
  },
  "a call that listens to its own attempts": {
    async run({ client, clock, sent }) {
      const ends: number[] = [];
      const call = client.route({}, balance({ onAttempt: ({ latencyMs }) => void ends.push(latencyMs) }));
      await clock.advance(10);
      sent[0]!.answer();
      await call;
      assert.deepEqual(ends, [10]);
    },
  },
  "a hedged call": {
    options: {
      defaultServiceConfig: {
        methods: { "proto.Simple": { hedging: fixedHedging({ maxAttempts: 2, delayMs: 50 }) } },
      },
    },
    async run({ client, clock, sent }) {
      const call = client.route({});
      await clock.advance(70);
      sent[1]!.answer();
      await call;
    },
  },
  "a stream": {
    async run({ client, clock, sent }) {
      const reading = (async () => {
        for await (const _ of client.routeServerStream({ data: "x" }));
      })();
      await clock.advance(10);
      sent[0]!.answer();
      await reading;
    },
  },
};

describe("metrics by a transport's only observer are the same as beside another, of", () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(name, async () => {
      const alone = await measured(scenario, true);
      assert.deepEqual(alone, await measured(scenario, false));
      assert.ok(JSON.stringify(alone).includes("grpc.method"), "something was measured");
    });
  }
});
