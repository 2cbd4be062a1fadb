import { callMutants } from "./calls.ts";
import { budgetMutants } from "./budgets.ts";
import type { Mutant } from "./mutant.ts";
import { operationMutants } from "./operations.ts";
import { stepMutants } from "./steps.ts";
import { turnMutants } from "./turns.ts";

export const mutants: readonly Mutant[] = [
  ...stepMutants,
  ...callMutants,
  ...turnMutants,
  ...operationMutants,
  ...budgetMutants,
];
