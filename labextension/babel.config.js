// Jest runs some of JupyterLab's ES modules through Babel.
module.exports = require('@jupyterlab/testing/lib/babel-config');
