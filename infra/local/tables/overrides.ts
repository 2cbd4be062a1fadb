import { dynalite, type ActionStore } from "./dynalite.ts";
import { matches } from "./conditions.ts";
import { cacheExpressions } from "./expression-cache.ts";
import { serviceFailure } from "./failure.ts";
import { indexRowKey, indexSteps } from "./index-rows.ts";
import { itemBytes } from "./item-size.ts";
import { readPage } from "./page.ts";
import { StagedWrites } from "./table-store.ts";

/**
 * Puts our parts in the place of dynalite's, which its actions call through its module's exports: conditions with deep
 * equality and ALL_OLD, index rows that stay unique and go into the request's one batch, pages without streams.
 */
export function installOverrides(): void {
  cacheExpressions();
  const legacyConditions = dynalite.checkConditional;
  dynalite.checkConditional = (data, existing) => {
    if (data._condition === undefined) return legacyConditions(data, existing);
    if (matches(existing ?? {}, data._condition.expression)) return null;
    const isWanted = data.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && existing !== undefined;
    return serviceFailure(
      "ConditionalCheckFailedException",
      "The conditional request failed",
      isWanted ? { Item: existing } : {},
    );
  };
  dynalite.itemSize = itemBytes;
  dynalite.createIndexKey = indexRowKey;
  dynalite.updateIndexes = (store, table, before, after, done) => {
    const staged = asStaged(store);
    try {
      staged.steps.push(...indexSteps(staged.store.entry(table.TableName), before, after));
    } catch (error) {
      return done(error);
    }
    done(null);
  };
  dynalite.queryTable = (store, _table, data, range, _isLocal, _fetchFromItems, startKeyNames, done) => {
    readPage(asStaged(store).store, data, range, startKeyNames).then(
      (page) => done(null, page),
      (error: unknown) => done(error),
    );
  };
}

function asStaged(store: ActionStore): StagedWrites {
  if (!(store instanceof StagedWrites)) throw new Error("dynalite runs on another store than ours");
  return store;
}
