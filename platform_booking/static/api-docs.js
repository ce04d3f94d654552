// Shows the API's description. Calls from here use the session, so they carry its form token.
const place = document.getElementById("api");
const token = document.querySelector("meta[name=csrf-token]").content;
window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  deepLinking: true,
  validatorUrl: null, // the description is shown to nobody else
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = token;
    return request;
  },
});
