/**
 * How a process ends whose settings can never work (EX_CONFIG of sysexits.h): starting it again as it was is in vain, and
 * a supervisor can tell.
 */
export const WRONG_SETTINGS_EXIT_CODE = 78;
