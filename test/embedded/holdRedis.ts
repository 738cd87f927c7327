/** A program that starts Redis and stays: the test kills it and looks what becomes of Redis. */
import { startRedis } from '../../embedded/redis.ts';

const [dir] = process.argv.slice(2);
const redis = await startRedis({ dir: dir ?? '' });
console.log(`pid ${redis.pid}`);
