"use strict";

// Light or dark, as the reader's system is, also when it changes.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

// A token that is pasted for trying out is kept in this page alone, and is gone when it is closed.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#description",
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 2,
  displayRequestDuration: true,
  persistAuthorization: false,
  queryConfigEnabled: false,
  validatorUrl: null,
});
