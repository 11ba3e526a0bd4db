# One image for web, worker, beat and clock; compose.yaml says which is which.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ASSENT_DATA=/data
RUN useradd --create-home --uid 1000 assent && install -d -o assent /data /app /checkpoints
WORKDIR /app

COPY pyproject.toml constraints.txt manage.py ./
COPY console console
RUN python -m venv /venv && /venv/bin/python manage.py install
ENV PATH=/venv/bin:$PATH

COPY . .
# Collecting reads the settings and needs no server.
RUN SECRET_KEY=build DATABASE_URL=postgresql:///build REDIS_URL=redis://build python manage.py collectstatic --noinput
USER assent
EXPOSE 8000
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "console.asgi:application"]
