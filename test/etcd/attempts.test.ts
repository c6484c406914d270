// Which attempt gives a session up that is silent.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Attempts } from "../../src/etcd/client/attempts.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const endpoint = { address: "e1:1" };

describe("a session that is silent", () => {
  it("is abandoned by the first attempt that gets no answer if it answered before", () => {
    const etcd = new FakeEtcd(), attempts = new Attempts(etcd);
    const first = attempts.begin(endpoint);
    first.answered();
    first.end();
    const [patient, impatient] = [attempts.begin(endpoint), attempts.begin(endpoint)];
    impatient.silent();
    assert.deepEqual(etcd.resets, ["e1:1"]);
    patient.silent();
    assert.deepEqual(etcd.resets, ["e1:1"], "once");
  });

  it("counts each attempt once, however often it is over", () => {
    const etcd = new FakeEtcd(), attempts = new Attempts(etcd);
    const [first, second, third] = [attempts.begin(endpoint), attempts.begin(endpoint), attempts.begin(endpoint)];
    first.silent();
    first.end();
    first.end();
    second.silent();
    assert.deepEqual(etcd.resets, []);
    third.silent();
    assert.deepEqual(etcd.resets, ["e1:1"]);
  });

  it("is abandoned by the last one if it is still being opened", () => {
    const etcd = new FakeEtcd(), attempts = new Attempts(etcd);
    const [patient, impatient] = [attempts.begin(endpoint), attempts.begin(endpoint)];
    impatient.silent();
    impatient.end();
    assert.deepEqual(etcd.resets, []);
    patient.silent();
    assert.deepEqual(etcd.resets, ["e1:1"]);
  });
});
