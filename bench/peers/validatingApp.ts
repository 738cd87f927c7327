/** Reads, checks, logs and answers a report as the product does, and keeps nothing. */
import { readEnvironment } from '../../config/env.ts';
import { servePlatform } from './platform.ts';
import { reportRoute } from './reportRoute.ts';

await servePlatform(reportRoute(readEnvironment().BUSINESS_TIME_ZONE));
