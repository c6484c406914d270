// A call with spans that remember what they are told, for tests of which span says what, and when.
import type { ConnectError } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { Attempt, AttemptStart, CallEnd, CallStart, CallWatch } from "../../../src/index.ts";
import type { Attributes, Context, Span } from "../../../src/observe/otel/api.ts";
import type { Conventions } from "../../../src/observe/otel/conventions.ts";
import { systemClock as clock } from "../../../src/time/clock.ts";
import { TracedCall } from "../../../src/observe/otel/traced-call.ts";
import { Tracing } from "../../../src/observe/otel/tracing.ts";

/** A span that remembers what it was told. */
export class KeptSpan implements Span {
  readonly name: string;
  readonly kind: number | undefined;
  readonly attributes: Attributes;
  readonly events: [name: string, attributes?: Attributes][] = [];
  readonly statuses: { code: number; message?: string }[] = [];
  readonly #recording: boolean;
  ends = 0;

  constructor(name: string, kind: number | undefined, attributes: Attributes, recording: boolean) {
    this.name = name;
    this.kind = kind;
    this.attributes = { ...attributes };
    this.#recording = recording;
  }

  setAttributes(attributes: Attributes): void {
    Object.assign(this.attributes, attributes);
  }

  addEvent(name: string, attributes?: Attributes): void {
    this.events.push(attributes === undefined ? [name] : [name, attributes]);
  }

  setStatus(status: { code: number; message?: string }): void {
    this.statuses.push(status);
  }

  isRecording(): boolean {
    return this.#recording;
  }

  end(): void {
    this.ends++;
  }
}

/** A call, its spans in the order in which they began with their parents, and how it is told what happens to it. */
export interface Traced {
  readonly call: TracedCall;
  readonly spans: readonly KeptSpan[];
  readonly parents: readonly (Context | undefined)[];
  /** The call's own. */
  readonly header: Headers;
  begin(number: number, how?: { readonly hedge?: boolean; readonly address?: string }): AttemptStart;
  end(attempt: AttemptStart, end: Attempt["end"], error?: ConnectError): Attempt;
  over(error?: ConnectError): CallEnd;
}

/** A call whose spans are kept. */
export function traced({ conventions = "grpc", recording = true, name = "a.B/C", measured, context }: {
  conventions?: Conventions;
  recording?: boolean;
  name?: string;
  measured?: CallWatch;
  context?: Context;
} = {}): Traced {
  const spans: KeptSpan[] = [];
  const parents: (Context | undefined)[] = [];
  const tracing = new Tracing({
    tracer: {
      startSpan(name, { kind, attributes = {} } = {}, parent) {
        const span = new KeptSpan(name, kind, attributes, recording);
        spans.push(span);
        parents.push(parent);
        return span;
      },
    },
    // A field with the position of the span in the context.
    propagator: {
      inject: (context, headers, setter) => setter.set(headers, "span", `${spans.indexOf(spanIn(context))}`),
      extract: (context) => context,
    },
    context: context && { active: () => context, with: (_, run) => run() },
    conventions,
  });
  const { route: method } = Simple.method, header = new Headers(), contextValues = undefined as never;
  const start: CallStart = { target: "t", method, startedMs: 0, clock, timeoutMs: undefined, header, contextValues };
  const call = new TracedCall(tracing, { name, system: "grpc", server: { "server.address": "t" } }, start, measured);
  const begin: Traced["begin"] = (number, { hedge = false, address = "a:1" } = {}) => {
    const attempt: AttemptStart = {
      endpoint: { address },
      method,
      number,
      hedge,
      startedMs: 0,
      header: new Headers(),
      contextValues,
    };
    call.attemptStarted(attempt);
    return attempt;
  };
  const end: Traced["end"] = ({ endpoint, number, hedge }, end, error) => {
    const failed = error === undefined ? {} : { code: error.code, error };
    const attempt: Attempt = { endpoint, method, number, hedge, end, latencyMs: 1, ...failed };
    call.attemptEnded(attempt);
    return attempt;
  };
  const over: Traced["over"] = (error) => {
    const end: CallEnd = { code: error?.code, error, latencyMs: 1, attempts: 1 };
    call.ended(end);
    return end;
  };
  return { call, spans, parents, header, begin, end, over };
}

/** The span in a context. */
export function spanIn(context: Context): KeptSpan {
  return context.getValue(Symbol.for("OpenTelemetry Context Key SPAN")) as KeptSpan;
}
