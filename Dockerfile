# One image for everything: `manage.py run` (web, worker and sweep), `manage.py migrate` and the operator's commands.
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --no-create-home mlc
WORKDIR /app

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY manage.py LICENSE ./
COPY tenants tenants
COPY audit audit
COPY mappings mappings
COPY gusto gusto
COPY erp erp
COPY connector_site connector_site
COPY templates templates
RUN mkdir staticfiles && chown mlc staticfiles

USER mlc
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=15s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=5)"]
# The supervisor ends web and worker in order; it needs no shell around it.
CMD ["python", "manage.py", "run", "--host", "0.0.0.0"]
