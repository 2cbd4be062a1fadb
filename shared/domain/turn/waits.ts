/** How long a lost wake-up may go unnoticed before the sweeper looks. */
export const wakeUpGraceMs = 10_000;
/** `turn.ended` waits this long for the turn's checkpoint. */
export const checkpointWaitMs = 10_000;
/** A worker that lives sees an interrupt within half a second; past this it counts as dead. */
export const interruptGraceMs = 5_000;
