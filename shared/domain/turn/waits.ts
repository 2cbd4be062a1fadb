/** How long a lost wake-up may go unnoticed before the sweeper looks. */
export const wakeUpGraceMs = 10_000;
/** The sweeper looks at a step this long after its lease: two machines' clocks may be so far apart. */
export const clockSkewMs = 2_000;
/** `turn.ended` waits this long for the turn's checkpoint. */
export const checkpointWaitMs = 10_000;
/** A worker that lives sees an interrupt within half a second; past this it counts as dead. */
export const interruptGraceMs = 5_000;
/** While calls are pending, somebody looks this often whether they still can complete. */
export const watchdogMs = 15_000;
