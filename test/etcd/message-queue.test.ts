import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageQueue } from "../../src/etcd/driver/connect/message-queue.ts";
import { settled } from "../support/manual-clock.ts";

/** Reads a queue to its end. */
function read(queue: MessageQueue<string>) {
  const read: string[] = [];
  const ended = (async () => {
    for await (const message of queue) read.push(message);
    read.push("end");
  })();
  return { read, ended };
}

describe("the request side of a stream", () => {
  it("is read in order, however the messages come, until it ends", async () => {
    const queue = new MessageQueue<string>();
    queue.push("1");
    queue.push("2");
    const reader = read(queue);
    await settled();
    queue.push("3");
    await settled();
    assert.deepEqual(reader.read, ["1", "2", "3"]);
    queue.push("4");
    queue.push("5");
    queue.end();
    queue.push("late");
    await settled();
    assert.deepEqual(reader.read, ["1", "2", "3", "4", "5", "end"]);
    await reader.ended;
  });

  it("wakes its reader for the end", async () => {
    const queue = new MessageQueue<string>();
    const reader = read(queue);
    await settled();
    queue.end();
    await settled();
    assert.deepEqual(reader.read, ["end"]);
    queue.push("late");
    assert.deepEqual(await Array.fromAsync(queue), []);
  });
});
