/** Imported before a process of the product: each SIGUSR2 puts its wall clock forward by CLOCK_JUMP_MILLISECONDS. */
import { laterDate } from './laterDate.ts';

let ahead = 0;
globalThis.Date = laterDate(Date, () => ahead);
process.on('SIGUSR2', () => {
  ahead += Number(process.env.CLOCK_JUMP_MILLISECONDS);
  console.log(`The clock has jumped by ${ahead} ms`);
});
