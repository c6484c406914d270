// What encoding and decoding a message costs on this runtime, by protobuf-es and by the compiled coders.
//
//   node bench/micro/coders.ts     bun bench/micro/coders.ts     deno run -A --no-check bench/micro/coders.ts
import process from "node:process";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { timestampNow, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { RangeResponseSchema } from "../../gen/etcd/rpc_pb.ts";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { createDecoder } from "../../src/grpc/decoder/decoder.ts";
import { createEncoder } from "../../src/grpc/encoder/encoder.ts";
import { median } from "../row.ts";

const MESSAGES_PER_BATCH = 4_000;
const WARM_UP_BATCHES = 10;
const BATCHES = 15;

const memory = new Uint8Array(64 * 1024);
let sink = 0;

/** Nanoseconds of CPU: `toBinary`, the compiled encoder, `fromBinary`, the compiled decoder. */
type Costs = readonly number[];

/** What a message takes with each coder: medians of batches that take turns. */
function compare<D extends DescMessage>(schema: D, message: MessageShape<D>): Costs {
  const encode = createEncoder(schema, undefined), decode = createDecoder(schema, undefined);
  const bytes = toBinary(schema, message);
  const runs: (() => number)[] = [
    () => toBinary(schema, message).length,
    () => encode(message, memory, 5) as number,
    () => fromBinary(schema, bytes).$typeName.length,
    () => decode(bytes).$typeName.length,
  ];
  const batches: number[][] = runs.map(() => []);
  for (let batch = 0; batch < WARM_UP_BATCHES + BATCHES; batch++) {
    for (const [which, run] of runs.entries()) {
      const before = process.cpuUsage();
      for (let i = 0; i < MESSAGES_PER_BATCH; i++) sink += run();
      const { user, system } = process.cpuUsage(before);
      if (batch >= WARM_UP_BATCHES) batches[which]!.push((user + system) * 1_000 / MESSAGES_PER_BATCH);
    }
  }
  return batches.map(median);
}

const key = new Uint8Array(20).fill(1), value = new Uint8Array(60).fill(2);
const kv = { key, value, createRevision: 1_000n, modRevision: 2_000n, version: 1n, lease: 7_000_000_000_000_000_000n };
const rows: [string, Costs][] = [
  ["SimpleRequest, 16 B of ASCII", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(16) }))],
  [
    "SimpleRequest, 16 characters, not ASCII",
    compare(
      SimpleRequestSchema,
      create(SimpleRequestSchema, { data: "größer".repeat(3).slice(0, 16) }),
    ),
  ],
  ["SimpleRequest, 100 B", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(100) }))],
  ["SimpleRequest, 4 KiB", compare(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(4_096) }))],
  [
    "SimpleResponse, 16 B",
    compare(
      SimpleResponseSchema,
      create(SimpleResponseSchema, { code: 200, value: "x".repeat(16) }),
    ),
  ],
  ["Timestamp", compare(TimestampSchema, timestampNow())],
  [
    "etcd's RangeResponse, 1 entry",
    compare(RangeResponseSchema, create(RangeResponseSchema, { kvs: [kv], count: 1n })),
  ],
  [
    "etcd's RangeResponse, 20 entries",
    compare(
      RangeResponseSchema,
      create(RangeResponseSchema, { kvs: Array.from({ length: 20 }, () => kv), count: 20n }),
    ),
  ],
];
const columns = ["toBinary", "compiled", "fromBinary", "compiled"];
console.log("ns of CPU per message".padEnd(42), ...columns.map((column) => column.padStart(10)));
for (const [name, costs] of rows) {
  console.log(name.padEnd(42), ...costs.map((ns) => ns.toFixed(0).padStart(10)));
}
if (sink === 0) throw new Error("nothing was encoded");
