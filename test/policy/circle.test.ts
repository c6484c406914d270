import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circleOf } from "../../src/policy/circle.ts";
import { weighted } from "../support/fake-connections.ts";

const [none, failure] = [undefined, new Error("refused")];

describe("the circle that calls go around", () => {
  it("has those that are available and those that may soon be, and leaves failing ones out", () => {
    const connections = weighted([none, none, none, none]);
    const [, opening, failing, held] = connections;
    Object.assign(opening!, { state: "connecting", available: false });
    Object.assign(failing!, { state: "transient_failure", available: false, failure });
    Object.assign(held!, { failure });
    assert.deepEqual(circleOf(connections), [connections[0], opening, held]);
  });

  it("is the list itself if none is failing: it is made for each picker", () => {
    const connections = weighted([none, none]);
    assert.equal(circleOf(connections), connections);
  });
});
