// What htmx does not do by itself. No eval, nothing inline: the pages' policy forbids both.
"use strict";

const news = (text) => {
  const place = document.getElementById("news");
  place.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.className = "bad";
  line.textContent = text;
  place.append(line);
};

// The list renews itself while somebody looks at it, but not under their hands.
document.addEventListener("htmx:beforeRequest", (event) => {
  const renews = event.target.id === "list";
  if (renews && document.hidden) event.preventDefault();
  if (!renews) news("");
});

// Only pages of ours are put into the page: JSON of a refusal, or a proxy's answer, is not one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const type = event.detail.xhr.getResponseHeader("Content-Type") || "";
  if (event.detail.xhr.status !== 204 && !type.startsWith("text/html")) {
    event.detail.shouldSwap = false;
    if (event.detail.requestConfig.elt.id !== "list") news("暂时不可用，没有提交。请稍后再试。");
  }
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.target.id !== "list") news("网络不通，没有提交。请检查网络后再试。");
});

// An upload shows how far it is.
document.addEventListener("htmx:xhr:progress", (event) => {
  const bar = document.getElementById("sent");
  if (!bar || event.target.id !== "upload" || !event.detail.lengthComputable) return;
  bar.hidden = false;
  bar.value = (100 * event.detail.loaded) / event.detail.total;
});

// What is too large is said before it is sent.
document.addEventListener("change", (event) => {
  const input = event.target;
  if (!(input instanceof HTMLInputElement) || !input.dataset.most) return;
  const large = [...input.files].find((file) => file.size > Number(input.dataset.most));
  input.setCustomValidity(large ? `${large.name} 超过 20 MB，不能上传。` : "");
  input.reportValidity();
});

// Files were added: the other forms go on from the ticket as it is now, with what is typed in them.
document.addEventListener("htmx:afterSettle", () => {
  const files = document.getElementById("files");
  if (!files) return;
  for (const input of document.querySelectorAll(".acts input[name=version]")) {
    if (!input.closest("form").querySelector(".bad")) input.value = files.dataset.version;
  }
});
