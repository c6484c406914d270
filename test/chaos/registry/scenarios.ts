import type { RegistryScenario } from "./lab.ts";
import { tokenLost, wrongPassword } from "./scenarios/auth.ts";
import { memberFrozen, memberKilled, withoutQuorum } from "./scenarios/cluster.ts";
import { awayAtStart, killedBriefly, killedLong, overtaken, restored, wiped } from "./scenarios/etcd-killed.ts";
import { blackHole, compacted, cutInCatchUp, halfOpen, largeCatchUp } from "./scenarios/path.ts";
import { keyDeleted, programFrozen, twoClaims } from "./scenarios/program.ts";
import { hostileValues } from "./scenarios/values.ts";

/** All scenarios, in the order of the table. */
export const scenarios: readonly RegistryScenario[] = [
  killedBriefly,
  killedLong,
  wiped,
  restored,
  overtaken,
  awayAtStart,
  compacted,
  cutInCatchUp,
  largeCatchUp,
  blackHole,
  halfOpen,
  withoutQuorum,
  memberKilled,
  memberFrozen,
  programFrozen,
  keyDeleted,
  twoClaims,
  tokenLost,
  wrongPassword,
  hostileValues,
];

/** Those that `npm test` runs in their short forms. */
export const quickScenarios: readonly RegistryScenario[] = [
  killedBriefly,
  wiped,
  cutInCatchUp,
  programFrozen,
  tokenLost,
  hostileValues,
];
