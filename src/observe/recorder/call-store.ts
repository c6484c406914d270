import type { DescMethod } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import { shownText } from "../../shown-text.ts";
import { statusName } from "../status-name.ts";
import { attemptAt, AttemptFields, Fields, Links, NUMBERS, REFERENCES } from "./layout.ts";
import type { RecordedAttempt, RecordedCall } from "./recorded-call.ts";
import { ENDS, type Recording } from "./recording.ts";

/** Places for so many recorded calls. Memory is taken with the first of them. */
export class CallStore {
  readonly places: number;
  #numbers: Float64Array | undefined;
  #references: unknown[] = [];

  constructor(places: number) {
    this.places = places;
  }

  /** Copies a recording to a place. */
  write(place: number, { numbers, references }: Recording): void {
    if (this.#numbers === undefined) {
      this.#numbers = new Float64Array(this.places * NUMBERS);
      this.#references = new Array(this.places * REFERENCES).fill(undefined);
    }
    this.#numbers.set(numbers, place * NUMBERS);
    const begin = place * REFERENCES;
    for (let i = 0; i < REFERENCES; i++) this.#references[begin + i] = references[i];
  }

  /** The call in a place that was written to. */
  read(place: number): RecordedCall {
    const numbers = this.#numbers!.subarray(place * NUMBERS, (place + 1) * NUMBERS);
    const references = this.#references.slice(place * REFERENCES, (place + 1) * REFERENCES);
    const method = references[Links.method] as DescMethod;
    const attempts = Array.from({ length: numbers[Fields.kept]! }, (_, i) => attemptOf(numbers, references, i));
    return {
      target: shownText(references[Links.target] as string),
      method: shownText(`${method.parent.typeName}/${method.name}`),
      kind: method.methodKind,
      startedMs: Math.round(numbers[Fields.startedMs]!),
      latencyMs: rounded(numbers[Fields.latencyMs]!),
      ...given("timeoutMs", numbers[Fields.timeoutMs]!),
      code: nameOf(numbers[Fields.code]!),
      ...textOf("error", references[Links.callError]),
      waited: {
        resolutionMs: rounded(numbers[Fields.resolutionMs]!),
        connectionMs: rounded(numbers[Fields.connectionMs]!),
        roomMs: rounded(numbers[Fields.roomMs]!),
        backoffMs: rounded(numbers[Fields.backoffMs]!),
      },
      attempts,
      moreAttempts: Math.max(0, numbers[Fields.attempts]! - attempts.length),
    };
  }
}

function attemptOf(numbers: Float64Array, references: readonly unknown[], place: number): RecordedAttempt {
  const at = attemptAt(place), latencyMs = numbers[at + AttemptFields.latencyMs]!;
  return {
    endpoint: shownText(references[Links.endpoint + place] as string),
    number: numbers[at + AttemptFields.number]!,
    hedge: numbers[at + AttemptFields.hedge] === 1,
    startedMs: rounded(numbers[at + AttemptFields.startedMs]!),
    waitMs: rounded(numbers[at + AttemptFields.waitMs]!),
    ...given("firstByteMs", numbers[at + AttemptFields.firstByteMs]!),
    ...given("latencyMs", latencyMs),
    ...!Number.isNaN(latencyMs) && {
      end: ENDS[numbers[at + AttemptFields.end]!]!,
      code: nameOf(numbers[at + AttemptFields.code]!),
    },
    ...textOf("error", references[Links.error + place]),
  };
}

/** A time in milliseconds, to the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** A field for a number that may not have been recorded. */
function given<Name extends string>(name: Name, ms: number): { readonly [name in Name]?: number } {
  return (Number.isNaN(ms) ? {} : { [name]: rounded(ms) }) as { readonly [name in Name]?: number };
}

function textOf(name: "error", text: unknown): { readonly error?: string } {
  return text === undefined ? {} : { [name]: text as string };
}

function nameOf(code: number): string {
  return statusName(code === 0 ? undefined : code as Code);
}
