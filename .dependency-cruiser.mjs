/**
 * Imports point one way (see ARCHITECTURE.md). Every layer names the layers it may import; all else is a violation. The parser is swc:
 * dependency-cruiser does not know this TypeScript and would read no module at all, so that every rule held.
 */
const LAYERS = {
  'src/domain': ['src/domain'],
  'src/queues': ['src/queues', 'src/domain'],
  'src/producers': ['src/producers', 'src/queues', 'src/models', 'src/domain', 'src/runtime'],
  // The contracts are data only; what is kept of a job's payload is checked with its own schema.
  'src/models': ['src/models', 'src/queues', 'src/domain', 'src/runtime'],
  'src/platforms': ['src/platforms', 'src/domain', 'src/runtime'],
  'src/providers': ['src/providers', 'src/models', 'src/platforms', 'src/domain', 'src/runtime'],
  'src/runtime': ['src/runtime'],
  'src/workers': [
    'src/workers',
    'src/producers',
    'src/providers',
    'src/queues',
    'src/models',
    'src/platforms',
    'src/domain',
    'src/runtime',
  ],
  'src/schedules': ['src/schedules', 'src/producers', 'src/queues', 'src/runtime'],
  'src/api': [
    'src/api',
    'src/producers',
    'src/providers',
    'src/queues',
    'src/models',
    'src/platforms',
    'src/domain',
    'src/runtime',
  ],
};

/** Importable from everywhere, except by what is pure. */
const CONFIG = 'config';
const PURE = ['src/domain', 'src/queues'];

const layerRules = Object.entries(LAYERS).map(([layer, allowed]) => ({
  name: `${layer} imports only what stands below it`,
  severity: 'error',
  from: { path: `^${layer}/` },
  to: {
    path: '^[a-z]',
    pathNot: [...allowed, ...(PURE.includes(layer) ? [] : [CONFIG])]
      .map((folder) => `^${folder}/`)
      .concat('^node_modules/', '^package\\.json$'),
    dependencyTypesNot: ['core'],
  },
}));

export default {
  forbidden: [
    ...layerRules,
    {
      name: 'an entry file is not imported',
      severity: 'error',
      from: {},
      to: { path: '^src/(api|workers|schedules)/main\\.ts$' },
    },
    {
      name: 'config imports no layer',
      severity: 'error',
      from: { path: '^config/' },
      to: { path: '^(src|embedded|sandbox|scripts|test|bench)/' },
    },
    {
      name: 'embedded servers and sandboxes know nothing of the product',
      severity: 'error',
      from: { path: '^(embedded|sandbox)/' },
      to: { path: '^(src|config|scripts|test|bench)/' },
    },
    {
      name: 'what runs in production needs no dev tools',
      severity: 'error',
      from: { path: '^(config|src|embedded|scripts)/', pathNot: '^scripts/test' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the embedded MongoDB is a package of its own',
      severity: 'error',
      from: { path: '^embedded/mongo/' },
      to: { path: '^embedded/(?!mongo/)' },
    },
    {
      // The aggregation of the embedded MongoDB is recursive by nature: a pipeline has stages, a stage may hold a pipeline.
      name: 'no circles',
      severity: 'error',
      from: { pathNot: '^embedded/mongo/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'every import exists', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    parser: 'swc',
    // Tests may import anything; and the cruiser stops at `using`, which they are fond of.
    exclude: { path: '^(test|embedded/mongo/test)/' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
