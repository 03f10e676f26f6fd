// Writes docs/recipe.md from the schema that checks recipes. usage: npm run docs:recipe
import { writeFileSync } from 'node:fs';
import { recipeReference } from '../src/recipe/jsonSchema.ts';

writeFileSync(new URL('../docs/recipe.md', import.meta.url), recipeReference());
