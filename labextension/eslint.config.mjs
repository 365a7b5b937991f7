import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import jsxA11y from 'eslint-plugin-jsx-a11y';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    // Generated: src/api/schema.ts comes from the server's OpenAPI document.
    ignores: ['lib/', 'node_modules/', 'src/api/schema.ts', '**/*.js', '**/*.mjs']
  },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  jsxA11y.flatConfigs.recommended,
  reactHooks.configs.flat.recommended,
  {
    languageOptions: {
      parserOptions: {
        project: './tsconfig.test.json',
        tsconfigRootDir: import.meta.dirname
      }
    },
    rules: {
      // A file of this package that keeps its listeners or promises keeps a page alive.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { attributes: false } }
      ],
      '@typescript-eslint/explicit-function-return-type': [
        'error',
        { allowExpressions: true }
      ],
      '@typescript-eslint/explicit-member-accessibility': 'off',
      // JupyterLab's interfaces and their tokens share one name (`IThing`).
      '@typescript-eslint/no-redeclare': 'off',
      // Lumino's signals take the `this` of a slot as their second argument.
      '@typescript-eslint/unbound-method': 'off',
      // Classes with only static members and namespaces are idioms of Lumino.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-namespace': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true }
      ],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'no-restricted-globals': [
        'error',
        { name: 'fetch', message: 'Only src/api/ talks HTTP.' }
      ]
    }
  },
  {
    files: ['src/api/**'],
    rules: { 'no-restricted-globals': 'off' }
  },
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off'
    }
  },
  prettier
);
