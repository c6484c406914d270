import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  Compare_CompareResult as Is,
  Compare_CompareTarget as Target,
  type CompareSchema,
} from "../../../gen/etcd/rpc_pb.ts";
import { deleteOp, getOp, type Op, putOp } from "./op.ts";
import { after, all, bytes, nothing, refused, type Statement, text } from "./subject.ts";

const compare = (
  key: string,
  target: Target,
  result: Is,
  targetUnion: NonNullable<MessageInitShape<typeof CompareSchema>["targetUnion"]>,
): MessageInitShape<typeof CompareSchema> => ({ key: bytes(key), target, result, targetUnion });

export const txnStatements: Statement[] = [
  {
    name: "a transaction makes one revision of all its changes, and its answers come in order",
    async check({ kv, prefix }) {
      const { succeeded, responses, header } = await kv.txn({
        success: [putOp(`${prefix}a`, "1"), putOp(`${prefix}b`, "2"), getOp(`${prefix}a`), deleteOp(`${prefix}x`)],
      });
      assert.equal(succeeded, true);
      assert.deepEqual(responses.map((r) => r.response.case), [
        "responsePut",
        "responsePut",
        "responseRange",
        "responseDeleteRange",
      ]);
      const read = responses[2]?.response;
      assert.ok(read?.case === "responseRange");
      assert.equal(text(read.value.kvs[0]?.value ?? nothing), "1");
      const { kvs } = await kv.range(all(prefix));
      assert.deepEqual(kvs.map((found) => found.modRevision), [header?.revision, header?.revision]);
    },
  },
  {
    name: "a transaction chooses by its compares, and one that changes nothing makes no revision",
    async check({ kv, prefix }) {
      const key = `${prefix}a`;
      const { header } = await kv.put({ key: bytes(key), value: bytes("m") });
      const at = header?.revision as bigint;
      const holds = async (...compares: MessageInitShape<typeof CompareSchema>[]) => {
        const answer = await kv.txn({ compare: compares, success: [getOp(key)], failure: [] });
        return answer.succeeded;
      };
      assert.equal(await holds(compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 1n })), true);
      assert.equal(await holds(compare(key, Target.VERSION, Is.NOT_EQUAL, { case: "version", value: 1n })), false);
      assert.equal(await holds(compare(key, Target.CREATE, Is.EQUAL, { case: "createRevision", value: at })), true);
      assert.equal(await holds(compare(key, Target.MOD, Is.LESS, { case: "modRevision", value: at + 1n })), true);
      assert.equal(await holds(compare(key, Target.MOD, Is.GREATER, { case: "modRevision", value: at })), false);
      assert.equal(await holds(compare(key, Target.VALUE, Is.GREATER, { case: "value", value: bytes("l") })), true);
      assert.equal(await holds(compare(key, Target.VALUE, Is.EQUAL, { case: "value", value: bytes("l") })), false);
      assert.equal(await holds(compare(key, Target.LEASE, Is.EQUAL, { case: "lease", value: 0n })), true);
      assert.equal(
        await holds(
          compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 1n }),
          compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 2n }),
        ),
        false,
      );
      const absent = `${prefix}absent`;
      assert.equal(await holds(compare(absent, Target.CREATE, Is.EQUAL, { case: "createRevision", value: 0n })), true);
      assert.equal(await holds(compare(absent, Target.VALUE, Is.EQUAL, { case: "value", value: nothing })), false);
      assert.equal(await holds(compare(absent, Target.VALUE, Is.NOT_EQUAL, { case: "value", value: nothing })), false);
      const ranged = { ...compare(prefix, Target.CREATE, Is.GREATER, { case: "createRevision", value: at - 1n }) };
      assert.equal(await holds({ ...ranged, rangeEnd: after(prefix) }), true);
      const { header: now } = await kv.range({ key: bytes(key) });
      assert.equal(now?.revision, at);
    },
  },
  {
    name: "nested transactions choose by what stood before the first change",
    async check({ kv, prefix }) {
      const answer = await kv.txn({
        success: [
          putOp(`${prefix}a`, "1"),
          {
            request: {
              case: "requestTxn",
              value: {
                compare: [compare(`${prefix}a`, Target.VERSION, Is.EQUAL, { case: "version", value: 0n })],
                success: [putOp(`${prefix}b`, "then")],
                failure: [putOp(`${prefix}b`, "else")],
              },
            },
          },
        ],
      });
      const nested = answer.responses[1]?.response;
      assert.ok(nested?.case === "responseTxn");
      assert.equal(nested.value.succeeded, true);
      const { kvs: [b] } = await kv.range({ key: bytes(`${prefix}b`) });
      assert.equal(text(b?.value ?? nothing), "then");
    },
  },
  {
    name: "a transaction that changes a key twice, does nothing in one place or is too long is refused whole",
    async check({ kv, prefix }) {
      const [a, b] = [`${prefix}a`, `${prefix}b`];
      const invalid = (message: string, success: Op[]) =>
        refused(Code.InvalidArgument, `etcdserver: ${message}`, kv.txn({ success }));
      const nested = (success: Op[], failure: Op[] = []): Op => ({
        request: { case: "requestTxn", value: { success, failure } },
      });
      await invalid("duplicate key given in txn request", [putOp(a), putOp(a)]);
      await invalid("duplicate key given in txn request", [putOp(a), deleteOp(a)]);
      await invalid("duplicate key given in txn request", [putOp(a), deleteOp(prefix, { rangeEnd: after(prefix) })]);
      await invalid("duplicate key given in txn request", [putOp(a), nested([putOp(a)])]);
      await invalid("duplicate key given in txn request", [nested([putOp(a)]), nested([putOp(a)])]);
      await invalid("key not found", [putOp(a), {}]);
      await invalid("key is not provided", [putOp("")]);
      await invalid("key not found", [putOp(a), putOp(b, "", { ignoreValue: true })]);
      await invalid("too many operations in txn request", Array.from({ length: 129 }, (_, i) => putOp(`${a}${i}`)));
      await refused(
        Code.NotFound,
        "etcdserver: requested lease not found",
        kv.txn({ success: [putOp(a), putOp(b, "", { lease: 404n })] }),
      );
      assert.equal((await kv.range(all(prefix))).count, 0n);
      await kv.txn({ success: [nested([putOp(a)], [putOp(a)]), deleteOp(b), deleteOp(b)] });
      assert.equal((await kv.range(all(prefix))).count, 1n);
    },
  },
];
