from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0010_password_link")]
    operations = [
        migrations.AddField(
            model_name="event",
            name="state",
            field=models.JSONField(
                default=dict, help_text="Columns of the approval as it left them, digests of other rows."
            ),
        ),
        migrations.CreateModel(
            name="LastCheckpoint",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField()),
                ("hash", models.CharField(help_text="SHA-256 of its line, in hexadecimal digits.", max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="last_checkpoint_is_one"),
                ],
            },
        ),
    ]
